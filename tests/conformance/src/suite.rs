//! How a list of functions becomes tests.

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
                    $crate::$suite::$name(fixture).await;
                }
            )*
        }
    };
}
