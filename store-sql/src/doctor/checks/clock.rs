//! The clocks of host and server.

use std::time::Duration;

use crate::doctor::context::Context;
use crate::doctor::id::FindingId;
use crate::doctor::report::Finding;
use crate::doctor::session::{Dialect, Session, number};

/// What the server's clock said, between two looks at the host's; all in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(in crate::doctor) struct Reading {
    before: i64,
    server: i64,
    after: i64,
}

pub(in crate::doctor) async fn gather(
    session: &mut Session,
    cx: &Context,
) -> Result<Option<Reading>, sqlx::Error> {
    let text = match session.dialect() {
        Dialect::MySql => "select cast(unix_timestamp(sysdate(3)) * 1000 as signed)",
        Dialect::Postgres => "select floor(extract(epoch from clock_timestamp()) * 1000)::bigint",
        // The file has no clock but this host's.
        Dialect::Sqlite => return Ok(None),
    };
    let before = cx.options.clock.now().as_millis();
    let told = session.value(text).await?;
    let after = cx.options.clock.now().as_millis();
    Ok(number(told.as_deref()).map(|server| Reading { before, server, after }))
}

pub(in crate::doctor) fn judge(reading: Reading, cx: &Context) -> Vec<Finding> {
    let Reading { before, server, after } = reading;
    let (ahead, skew) = if server > after { (true, server - after) } else { (false, before - server) };
    if skew <= i64::try_from(cx.options.skew_max.as_millis()).unwrap_or(i64::MAX) {
        return Vec::new();
    }
    let skew = Duration::from_millis(skew.unsigned_abs());
    let message = format!(
        "the server's clock is {} ms {} this host's: the server's decides what is due, and logs of both do not match",
        skew.as_millis(),
        if ahead { "ahead of" } else { "behind" }
    );
    let fix =
        "let both hosts keep their time by NTP: `chronyc tracking` or `timedatectl` shows which one is wrong";
    vec![Finding::warning(FindingId::ClockSkew, message, fix)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_way_cannot_explain_is_skew() {
        let cases = [
            ((1000, 1010, 1020), None),
            ((1000, 900, 1020), None),
            ((1000, 3020, 1020), None),
            ((1000, 3021, 1020), Some("2001 ms ahead of")),
            ((10_000, 7999, 10_020), Some("2001 ms behind")),
            ((1000, 4000, 5000), None),
        ];
        for ((before, server, after), expected) in cases {
            let found = judge(Reading { before, server, after }, &Context::sample(Dialect::Postgres));
            assert_eq!(found.len(), usize::from(expected.is_some()), "{before} {server} {after}");
            if let Some(expected) = expected {
                assert!(found[0].message.contains(expected), "{}", found[0].message);
            }
        }
    }
}
