//! Keys that are there already and would be one, or have too many unfinished runs.

use crate::doctor::context::Context;
use crate::doctor::expected::Over;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session};

/// How many examples are named.
const EXAMPLES: usize = 5;

/// The run states in which a run is unfinished.
const LIVE: &str = "run_state between 1 and 3";

/// The unfinished runs of each key that has more than one. Keys are told apart by their bytes, as the engine does.
pub(in crate::doctor) async fn duplicates(session: &mut Session) -> Result<Vec<String>, sqlx::Error> {
    let list = match session.dialect() {
        Dialect::MySql => "group_concat(run_id order by run_id separator ', ')",
        Dialect::Postgres => "string_agg(run_id, ', ' order by run_id)",
        Dialect::Sqlite => "group_concat(run_id, ', ')",
    };
    let keys = match session.dialect() {
        Dialect::MySql => "binary workflow_name, binary foreign_id",
        Dialect::Postgres | Dialect::Sqlite => "workflow_name, foreign_id",
    };
    let text = format!(
        "select {list} from workflow_records where {LIVE} group by {keys} having count(*) > 1 limit {}",
        EXAMPLES + 1
    );
    Ok(session.rows(text).await?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

pub(in crate::doctor) fn judge_duplicates(duplicates: &[String], cx: &Context) -> Vec<Finding> {
    if duplicates.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{} have more than one unfinished run each, so that the unique index cannot be made; the runs: {}",
        some_keys(duplicates.len()),
        duplicates.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(" | ")
    );
    let fix = format!(
        "run: {} --cancel-duplicates (it keeps the newest of each and cancels the others); or end all but one of each by hand",
        cx.migrate()
    );
    vec![Finding::error(FindingId::LiveRunsDuplicate, message, fix)]
}

/// A run of each key that is stored in several spellings, which are one in the collation of its column; MariaDB and MySQL
/// only.
pub(in crate::doctor) async fn collisions(session: &mut Session) -> Result<Vec<String>, sqlx::Error> {
    let text = format!(
        "select min(run_id) from workflow_records group by workflow_name, foreign_id having count(distinct binary foreign_id) \
         > 1 limit {}",
        EXAMPLES + 1
    );
    Ok(session.rows(text).await?.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect())
}

pub(in crate::doctor) fn judge_collisions(collisions: &[String], cx: &Context) -> Vec<Finding> {
    if collisions.is_empty() {
        return Vec::new();
    }
    let message = format!(
        "{} are stored in several spellings that the column's collation takes for one: programs that compare in it, as the \
         Go library does, mix them up; a run of each: {}",
        some_keys(collisions.len()),
        collisions.iter().take(EXAMPLES).cloned().collect::<Vec<_>>().join(" | ")
    );
    let fix = "give the column a collation that tells them apart (see collation-merges-keys): each spelling is a key of \
               its own then, as it is for the engine";
    vec![match cx.over {
        Over::Keys => Finding::warning(FindingId::KeysCollide, message, fix),
        Over::Twins => Finding::note(FindingId::KeysCollide, message, fix),
    }]
}

fn some_keys(count: usize) -> String {
    if count > EXAMPLES {
        format!("more than {EXAMPLES} foreign ids")
    } else {
        format!("{count} foreign id(s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_many_are_named() {
        let cx = Context::sample(Dialect::MySql);
        assert!(judge_duplicates(&[], &cx).is_empty() && judge_collisions(&[], &cx).is_empty());
        let many: Vec<String> = (0..6).map(|number| format!("a{number}, b{number}")).collect();
        let found = judge_duplicates(&many, &cx);
        assert_eq!(found[0].id, FindingId::LiveRunsDuplicate);
        assert!(found[0].message.starts_with("more than 5 foreign ids"), "{}", found[0].message);
        assert!(found[0].message.contains("a4, b4") && !found[0].message.contains("a5, b5"));
        assert!(judge_collisions(&many[..1], &cx)[0].message.starts_with("1 foreign id(s)"));
    }
}
