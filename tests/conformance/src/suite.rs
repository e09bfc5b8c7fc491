//! How a list of functions becomes tests.

use std::future::Future;
use std::time::Duration;

/// After so long a test hangs: what it waits for never comes. No test needs a hundredth of it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test, and fails it if it hangs; for the suites' own macros.
#[doc(hidden)]
pub async fn watched(name: &str, test: impl Future<Output = ()>) {
    if tokio::time::timeout(PATIENCE, test).await.is_err() {
        panic!("{name} hangs: something that it waits for has not come in {} s", PATIENCE.as_secs());
    }
}

/// Makes a test of each function of a suite; for the suites' own macros.
#[doc(hidden)]
#[macro_export]
macro_rules! suite_tests {
    ($suite:ident, $trait:ident, $fixture:ty, [$($name:ident),* $(,)?]) => {
        mod $suite {
            #[allow(unused_imports, reason = "the fixture may be named by its whole path")]
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let fixture = <$fixture as $crate::$suite::$trait>::fresh().await;
                    $crate::watched(stringify!($name), $crate::$suite::$name(fixture)).await;
                }
            )*
        }
    };
}
