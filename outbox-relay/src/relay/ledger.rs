//! Which rows are under way, as pure code: what of a page may be published, and what may be deleted how.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

use workflow_core::adapter::{Span, StoredOutboxRow, UnderWay};
use workflow_core::{Event, EventId, RunId, Topic};

/// How many rows that were stepped over are remembered one by one: beyond, no range is deleted in this pass.
const STEPPED_MAX: usize = 10_000;

/// What an event takes besides its headers and names.
const EVENT_BYTES: usize = 256;

/// A row that can be published.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) text: Arc<str>,
    pub(crate) id: EventId,
    pub(crate) event: Arc<Event>,
    pub(crate) stored: StoredOutboxRow,
}

#[derive(Debug)]
struct Sent {
    /// The run that nothing else may be sent of until this is acknowledged.
    run: Option<RunId>,
    bytes: usize,
}

/// The rows of one shard that are under way: sent, or read and waiting for an event of their run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<Arc<str>, Sent>,
    /// Of runs that have an event on its way, what follows, in the order of the versions.
    queued: HashMap<RunId, VecDeque<Row>>,
    /// Their ids, as those who read the table know them.
    under_way: UnderWay,
    runs: HashSet<RunId>,
    bytes: usize,
    /// Runs of which a row was stepped over in this pass: what follows must not overtake it.
    blocked: HashSet<RunId>,
    stepped: BTreeSet<Arc<str>>,
    stepped_too_many: bool,
    /// Deleted while a page was being read: the page may have them all the same.
    gone: HashSet<Arc<str>>,
    reading: bool,
}

/// What a page gives.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// To be published, in the order of their ids.
    pub(crate) rows: Vec<Row>,
    /// Cannot be read.
    pub(crate) unreadable: Vec<StoredOutboxRow>,
    /// Were stepped over because their topic holds, or that of an earlier event of their run.
    pub(crate) held: usize,
}

impl Ledger {
    pub(crate) fn is_idle(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What a read leaves out.
    pub(crate) fn under_way(&self) -> UnderWay {
        self.under_way.clone()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// A pass over the table begins.
    pub(crate) fn begin_pass(&mut self) {
        self.blocked.clear();
        self.stepped.clear();
        self.stepped_too_many = false;
    }

    /// A page is being read from now on.
    pub(crate) fn begin_read(&mut self) {
        self.gone.clear();
        self.reading = true;
    }

    /// Takes from a page what may be published now: of each run the lowest version, if nothing of it is on its way. What
    /// follows it is kept until then.
    pub(crate) fn take(&mut self, page: Vec<StoredOutboxRow>, holds: impl Fn(&Topic) -> bool) -> Picked {
        self.reading = false;
        let gone = std::mem::take(&mut self.gone);
        let mut picked = Picked::default();
        let mut runs: HashMap<RunId, Vec<Row>> = HashMap::with_capacity(page.len());
        for stored in page {
            if gone.contains(&stored.id) || self.rows.contains_key(&stored.id) {
                continue;
            }
            match &stored.event {
                Ok((id, event)) => {
                    let (id, event) = (*id, Arc::clone(event));
                    let row = Row { text: Arc::clone(&stored.id), id, event, stored };
                    runs.entry(row.event.run_id).or_default().push(row);
                }
                Err(_) => {
                    self.insert(Arc::clone(&stored.id), None, 0);
                    picked.unreadable.push(stored);
                }
            }
        }
        for (run, mut rows) in runs {
            rows.sort_by_key(|row| (row.event.version, row.id));
            self.take_of_run(run, rows, &holds, &mut picked);
        }
        picked.rows.sort_unstable_by(|one, other| one.text.cmp(&other.text));
        picked
    }

    fn take_of_run(
        &mut self,
        run: RunId,
        rows: Vec<Row>,
        holds: &impl Fn(&Topic) -> bool,
        picked: &mut Picked,
    ) {
        let is_held = |row: &Row| holds(&row.event.topic);
        if self.blocked.contains(&run) || (!self.runs.contains(&run) && rows.first().is_some_and(is_held)) {
            self.blocked.insert(run);
            picked.held += rows.len();
            return rows.into_iter().for_each(|row| self.remember_stepped(row.text));
        }
        let mut rows = rows.into_iter();
        if !self.runs.contains(&run)
            && let Some(first) = rows.next()
        {
            self.insert(Arc::clone(&first.text), Some(run), bytes_of(&first.event));
            picked.rows.push(first);
        }
        for row in rows {
            self.insert(Arc::clone(&row.text), None, bytes_of(&row.event));
            self.queued.entry(run).or_default().push_back(row);
        }
    }

    fn insert(&mut self, id: Arc<str>, run: Option<RunId>, bytes: usize) {
        self.runs.extend(run);
        self.bytes += bytes;
        self.under_way.insert(Arc::clone(&id));
        self.rows.insert(id, Sent { run, bytes });
    }

    fn remember_stepped(&mut self, id: Arc<str>) {
        match self.stepped.len() < STEPPED_MAX {
            true => drop(self.stepped.insert(id)),
            false => self.stepped_too_many = true,
        }
    }

    /// Rows stay in the table and are not under way any more, nor what follows them: a later pass finds them again.
    pub(crate) fn put_back<'a>(&mut self, ids: impl IntoIterator<Item = &'a Arc<str>>) {
        for id in ids {
            let Some(run) = self.remove(id).and_then(|row| row.run) else { continue };
            self.runs.remove(&run);
            self.blocked.insert(run);
            self.remember_stepped(Arc::clone(id));
            for row in self.queued.remove(&run).into_iter().flatten() {
                self.remove(&row.text);
                self.remember_stepped(row.text);
            }
        }
    }

    /// The stream has the event; gives the next one of its run. The row itself is under way until it is deleted.
    pub(crate) fn acknowledge(&mut self, id: &Arc<str>) -> Option<Row> {
        let run = self.rows.get_mut(id)?.run.take()?;
        self.next_of(run)
    }

    /// Rows are deleted; gives what may follow them now.
    pub(crate) fn forget<'a>(&mut self, ids: impl IntoIterator<Item = &'a Arc<str>>) -> Vec<Row> {
        let mut next = Vec::new();
        for id in ids {
            if let Some(run) = self.remove(id).and_then(|row| row.run) {
                next.extend(self.next_of(run));
            }
            if self.reading {
                self.gone.insert(Arc::clone(id));
            }
        }
        next
    }

    /// Nothing of the run is on its way any more: what follows is.
    fn next_of(&mut self, run: RunId) -> Option<Row> {
        let next = self.queued.get_mut(&run).and_then(VecDeque::pop_front);
        match &next {
            Some(row) => {
                if let Some(sent) = self.rows.get_mut(&row.text) {
                    sent.run = Some(run);
                }
            }
            None => {
                self.queued.remove(&run);
                self.runs.remove(&run);
            }
        }
        next
    }

    fn remove(&mut self, id: &Arc<str>) -> Option<Sent> {
        let row = self.rows.remove(id)?;
        self.under_way.remove(id);
        self.bytes -= row.bytes;
        Some(row)
    }

    /// Whether these rows, which are sorted, are all that was read between the first and the last of them.
    pub(crate) fn span(&self, ids: &[Arc<str>]) -> Span {
        let [first, .., last] = ids else { return Span::Scattered };
        let range = Arc::clone(first)..=Arc::clone(last);
        let others = self.rows.range(range.clone()).take(ids.len() + 1).count() != ids.len();
        match self.stepped_too_many || others || self.stepped.range(range).next().is_some() {
            true => Span::Scattered,
            false => Span::Whole,
        }
    }
}

fn bytes_of(event: &Event) -> usize {
    let headers: usize = event.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    EVENT_BYTES + headers + 2 * event.topic.as_str().len() + event.foreign_id.as_str().len()
}

#[cfg(test)]
mod tests {
    use workflow_core::{ForeignId, Headers, RunState, StatusCode, Timestamp, Version, WorkflowName};

    use super::*;

    fn row(run: RunId, version: u64, after: Option<EventId>) -> StoredOutboxRow {
        let id = EventId::after(after);
        let event = Event {
            event_id: Some(id),
            workflow_name: WorkflowName::new("orders").expect("a name"),
            foreign_id: ForeignId::new("order-1").expect("a key"),
            run_id: run,
            status: StatusCode::new(1).expect("a status"),
            run_state: RunState::Running,
            version: Version::new(version),
            topic: Topic::new("orders-1"),
            headers: Headers::new(),
        };
        StoredOutboxRow {
            id: id.to_string().into(),
            event: Ok((id, Arc::new(event))),
            workflow_name: "orders".into(),
            created_at: Timestamp::from_millis(0),
        }
    }

    fn ids(picked: &Picked) -> Vec<Arc<str>> {
        picked.rows.iter().map(|row| Arc::clone(&row.text)).collect()
    }

    #[test]
    fn one_event_of_a_run_is_on_its_way_and_the_lowest_version_first() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let page = vec![row(run, 3, None), row(run, 2, None), row(RunId::generate(), 1, None)];
        let picked = ledger.take(page.clone(), |_| false);
        assert_eq!(ids(&picked), [Arc::clone(&page[1].id), Arc::clone(&page[2].id)]);
        assert!(ledger.take(page.clone(), |_| false).rows.is_empty(), "the rest waits");
        assert_eq!(ledger.acknowledge(&page[1].id).map(|next| next.text), Some(Arc::clone(&page[0].id)));
        assert!(ledger.forget([&page[1].id]).is_empty(), "it was acknowledged already");
        assert_eq!(ledger.len(), 2);
        assert!(ledger.acknowledge(&page[0].id).is_none());
        ledger.forget(page.iter().map(|row| &row.id));
        assert!(ledger.is_idle() && ledger.bytes() == 0);
    }

    #[test]
    fn what_comes_after_an_acknowledgement_goes_at_once() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let rows = [row(run, 1, None), row(run, 2, None), row(run, 3, None)];
        ledger.take(rows[..1].to_vec(), |_| false);
        assert!(ledger.acknowledge(&rows[0].id).is_none());
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(rows[1..2].to_vec(), |_| false)), [Arc::clone(&rows[1].id)]);
        ledger.forget([&rows[0].id]);
        assert!(
            ledger.take(rows[2..].to_vec(), |_| false).rows.is_empty(),
            "the second one is still on its way"
        );
        assert_eq!(ledger.forget([&rows[1].id]).len(), 1, "one that is set aside frees its run, too");
    }

    #[test]
    fn what_was_deleted_during_a_read_is_not_taken_from_it() {
        let (page, mut ledger) = (vec![row(RunId::generate(), 1, None)], Ledger::default());
        ledger.take(page.clone(), |_| false);
        ledger.begin_read();
        ledger.forget([&page[0].id]);
        assert!(ledger.take(page.clone(), |_| false).rows.is_empty());
        ledger.begin_read();
        assert_eq!(ledger.take(page, |_| false).rows.len(), 1, "a later read tells the truth");
    }

    #[test]
    fn nothing_overtakes_what_was_stepped_over_in_a_pass() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let (one, two) = (row(run, 1, None), row(run, 2, None));
        assert_eq!(ledger.take(vec![one.clone()], |_| true).held, 1);
        assert_eq!(ledger.take(vec![two.clone()], |_| false).held, 1);
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(vec![one.clone()], |_| false)), [Arc::clone(&one.id)]);
        ledger.put_back([&one.id]);
        assert!(ledger.take(vec![two], |_| false).rows.is_empty());
        assert!(ledger.is_idle() && ledger.bytes() == 0);
    }

    #[test]
    fn what_is_put_back_takes_with_it_what_follows() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let rows = [row(run, 1, None), row(run, 2, None), row(run, 3, None)];
        assert_eq!(ids(&ledger.take(rows[..2].to_vec(), |_| false)), [Arc::clone(&rows[0].id)]);
        ledger.put_back([&rows[0].id]);
        assert!(ledger.is_idle() && ledger.bytes() == 0);
        assert_eq!(
            ledger.take(rows[2..].to_vec(), |_| false).held,
            1,
            "a later page of the pass does not overtake"
        );
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(rows.to_vec(), |_| false)), [Arc::clone(&rows[0].id)]);
    }

    #[test]
    fn a_range_is_whole_if_nothing_else_was_read_in_it() {
        let mut ledger = Ledger::default();
        let rows: Vec<_> = (0..4).map(|_| row(RunId::generate(), 1, None)).collect();
        let all: Vec<_> = rows.iter().map(|row| Arc::clone(&row.id)).collect();
        ledger.take(rows, |_| false);
        assert_eq!(ledger.span(&all), Span::Whole);
        assert_eq!(ledger.span(&all[..2]), Span::Whole);
        assert_eq!(ledger.span(&[Arc::clone(&all[0]), Arc::clone(&all[2])]), Span::Scattered);
        ledger.put_back([&all[1]]);
        assert_eq!(ledger.span(&all), Span::Scattered);
    }
}
