//! What the server of the tests of leases asks for.

pub(crate) use workflow_system_tests::patience::until as eventually;
