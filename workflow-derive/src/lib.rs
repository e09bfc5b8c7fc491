//! `#[derive(Status)]` for the status enums of workflows.

mod status;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes an enum the status of a workflow.
///
/// Each variant needs a number of its own, 1 or greater, which is what is stored: renaming a variant changes nothing
/// that is stored, renumbering it does. The enum must be `Copy`. `#[status(crate = path)]` names the crate that the trait
/// is in, if it is not `workflow`.
///
/// ```
/// use workflow_core::Status as _;
/// use workflow_derive::Status;
///
/// #[derive(Status, Clone, Copy)]
/// #[status(crate = workflow_core)]
/// enum OrderStatus {
///     Placed = 1,
///     Paid = 2,
/// }
/// assert_eq!(OrderStatus::Paid.code().get(), 2);
/// assert_eq!(OrderStatus::Placed.name(), "Placed");
/// ```
#[proc_macro_derive(Status, attributes(status))]
pub fn derive_status(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    status::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
