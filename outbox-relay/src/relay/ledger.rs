//! Which rows are under way, as pure code: what of a page may be published, and what may be deleted how.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
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
    run: Option<RunId>,
    bytes: usize,
}

/// The rows of one shard that are under way.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    rows: BTreeMap<Arc<str>, Sent>,
    /// Their ids, as those who read the table know them.
    under_way: UnderWay,
    runs: HashSet<RunId>,
    bytes: usize,
    /// Runs of which a row was stepped over in this pass: what follows must not overtake it.
    blocked: HashMap<RunId, Why>,
    stepped: BTreeSet<Arc<str>>,
    stepped_too_many: bool,
    /// Deleted while a page was being read: the page may have them all the same.
    gone: HashSet<Arc<str>>,
    reading: bool,
}

/// Why a row was stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// An event of the run is under way.
    Waits,
    /// Its topic holds.
    Held,
}

/// What a page gives.
#[derive(Debug, Default)]
pub(crate) struct Picked {
    /// To be published, in the order of their ids.
    pub(crate) rows: Vec<Row>,
    /// Cannot be read.
    pub(crate) unreadable: Vec<StoredOutboxRow>,
    /// Were stepped over because an event of the run is under way: as soon as that is gone, they can go.
    pub(crate) waiting: usize,
    /// Were stepped over because their topic holds.
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

    /// Takes from a page what may be published now: of each run the lowest version, if nothing of it is under way.
    pub(crate) fn take(&mut self, page: Vec<StoredOutboxRow>, holds: impl Fn(&Topic) -> bool) -> Picked {
        self.reading = false;
        let gone = std::mem::take(&mut self.gone);
        let mut picked = Picked::default();
        let mut rows = Vec::with_capacity(page.len());
        for stored in page {
            if gone.contains(&stored.id) || self.rows.contains_key(&stored.id) {
                continue;
            }
            match &stored.event {
                Ok((id, event)) => {
                    let (id, event) = (*id, Arc::clone(event));
                    rows.push(Row { text: Arc::clone(&stored.id), id, event, stored });
                }
                Err(_) => {
                    self.insert(Arc::clone(&stored.id), None, 0);
                    picked.unreadable.push(stored);
                }
            }
        }
        let first = first_of_runs(&rows);
        let mut after_first = Vec::new();
        for (place, row) in rows.into_iter().enumerate() {
            let run = row.event.run_id;
            let waits = first.get(&run) != Some(&place) || self.runs.contains(&run);
            let why = match self.blocked.get(&run) {
                Some(why) => Some(*why),
                None if waits => Some(Why::Waits),
                None => holds(&row.event.topic).then_some(Why::Held),
            };
            match why {
                Some(Why::Waits) => picked.waiting += 1,
                Some(Why::Held) => picked.held += 1,
                None => {
                    self.insert(Arc::clone(&row.text), Some(run), bytes_of(&row.event));
                    picked.rows.push(row);
                    continue;
                }
            }
            // The first one of the run, if it comes further down in this page, is still to be taken.
            if why != Some(Why::Waits) || first.get(&run) < Some(&place) || self.runs.contains(&run) {
                self.block(run, why.unwrap_or(Why::Waits));
            } else {
                after_first.push(run);
            }
            self.remember_stepped(row.text);
        }
        after_first.into_iter().for_each(|run| self.block(run, Why::Waits));
        picked
    }

    fn insert(&mut self, id: Arc<str>, run: Option<RunId>, bytes: usize) {
        self.runs.extend(run);
        self.bytes += bytes;
        self.under_way.insert(Arc::clone(&id));
        self.rows.insert(id, Sent { run, bytes });
    }

    /// Nothing of the run goes in this pass any more.
    fn block(&mut self, run: RunId, why: Why) {
        self.blocked.entry(run).or_insert(why);
    }

    fn remember_stepped(&mut self, id: Arc<str>) {
        match self.stepped.len() < STEPPED_MAX {
            true => drop(self.stepped.insert(id)),
            false => self.stepped_too_many = true,
        }
    }

    /// Rows stay in the table and are not under way any more: the next pass finds them again.
    pub(crate) fn put_back<'a>(&mut self, ids: impl IntoIterator<Item = &'a Arc<str>>) {
        for id in ids {
            if let Some(run) = self.remove(id) {
                self.block(run, Why::Held);
                self.remember_stepped(Arc::clone(id));
            }
        }
    }

    /// The stream has the event: the next one of its run may follow. The row itself is under way until it is deleted.
    pub(crate) fn acknowledge(&mut self, id: &Arc<str>) {
        if let Some(run) = self.rows.get_mut(id).and_then(|row| row.run.take()) {
            self.runs.remove(&run);
        }
    }

    /// Rows are deleted.
    pub(crate) fn forget<'a>(&mut self, ids: impl IntoIterator<Item = &'a Arc<str>>) {
        for id in ids {
            self.remove(id);
            if self.reading {
                self.gone.insert(Arc::clone(id));
            }
        }
    }

    fn remove(&mut self, id: &Arc<str>) -> Option<RunId> {
        let row = self.rows.remove(id)?;
        self.under_way.remove(id);
        self.bytes -= row.bytes;
        if let Some(run) = row.run {
            self.runs.remove(&run);
        }
        row.run
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

/// The place of the lowest version of each run.
fn first_of_runs(rows: &[Row]) -> HashMap<RunId, usize> {
    let mut first: HashMap<RunId, usize> = HashMap::with_capacity(rows.len());
    for (place, row) in rows.iter().enumerate() {
        first
            .entry(row.event.run_id)
            .and_modify(|lowest| {
                if row.event.version < rows[*lowest].event.version {
                    *lowest = place;
                }
            })
            .or_insert(place);
    }
    first
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
    fn one_event_of_a_run_is_under_way_and_the_lowest_version_first() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let page = vec![row(run, 3, None), row(run, 2, None), row(RunId::generate(), 1, None)];
        let picked = ledger.take(page.clone(), |_| false);
        assert_eq!(ids(&picked), [Arc::clone(&page[1].id), Arc::clone(&page[2].id)]);
        assert_eq!(picked.waiting, 1);
        assert!(ledger.take(page.clone(), |_| false).rows.is_empty(), "the rest waits");
        ledger.forget([&page[1].id]);
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(vec![page[0].clone()], |_| false)), [Arc::clone(&page[0].id)]);
    }

    #[test]
    fn the_next_event_of_a_run_goes_as_soon_as_the_one_before_is_acknowledged() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let rows = [row(run, 1, None), row(run, 2, None), row(run, 3, None)];
        ledger.take(rows[..1].to_vec(), |_| false);
        ledger.acknowledge(&rows[0].id);
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(rows[1..2].to_vec(), |_| false)), [Arc::clone(&rows[1].id)]);
        ledger.forget([&rows[0].id]);
        ledger.begin_pass();
        assert_eq!(ledger.take(rows[2..].to_vec(), |_| false).waiting, 1, "the second one is still on its way");
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
    fn what_waits_is_not_overtaken_by_a_later_page_of_the_pass() {
        let (run, mut ledger) = (RunId::generate(), Ledger::default());
        let rows = [row(run, 1, None), row(run, 2, None), row(run, 3, None)];
        assert_eq!(ids(&ledger.take(rows[..2].to_vec(), |_| false)), [Arc::clone(&rows[0].id)]);
        ledger.forget([&rows[0].id]);
        assert_eq!(ledger.take(rows[2..].to_vec(), |_| false).waiting, 1);
        ledger.begin_pass();
        assert_eq!(ids(&ledger.take(rows[1..].to_vec(), |_| false)), [Arc::clone(&rows[1].id)]);
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
