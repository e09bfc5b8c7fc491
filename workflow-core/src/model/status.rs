//! The user's states of a run, and their numbers.

use std::fmt;

/// A status as a number, 1 or greater: what the tables and the wire carry.
///
/// ```
/// use workflow_core::StatusCode;
/// assert_eq!(StatusCode::new(2).unwrap().get(), 2);
/// assert!(StatusCode::new(0).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusCode(i32);

impl StatusCode {
    /// Checks a number.
    ///
    /// # Errors
    /// [`InvalidStatus`] for 0 and negatives, which are reserved.
    pub const fn new(code: i32) -> Result<Self, InvalidStatus> {
        if code < 1 { Err(InvalidStatus { code }) } else { Ok(Self(code)) }
    }

    /// The number of an enum's variant, for an implementation of [`Status`]. `#[derive(Status)]` refuses a number below
    /// 1; of an implementation by hand, `build()` does.
    ///
    /// ```
    /// use workflow_core::StatusCode;
    /// #[derive(Clone, Copy)]
    /// enum Light { Red = 1 }
    /// assert_eq!(StatusCode::from_declared(Light::Red as i32), StatusCode::new(1)?);
    /// # Ok::<(), workflow_core::InvalidStatus>(())
    /// ```
    pub const fn from_declared(code: i32) -> Self {
        Self(code)
    }

    /// The number.
    pub const fn get(self) -> i32 {
        self.0
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that no status can have.
///
/// ```
/// use workflow_core::StatusCode;
/// assert_eq!(StatusCode::new(0).unwrap_err().to_string(), "status 0 is reserved: a status is 1 or greater");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("status {code} is reserved: a status is 1 or greater")]
pub struct InvalidStatus {
    /// The number.
    pub code: i32,
}

/// The user's states of a run; implemented by `#[derive(Status)]`.
///
/// ```
/// # use workflow_shop::*;
/// assert_eq!(OrderStatus::ALL.len(), 4);
/// assert_eq!((Paid.code().get(), Paid.name()), (2, "Paid"));
/// assert_eq!(OrderStatus::from_code(StatusCode::new(2)?), Some(Paid));
/// # Ok::<(), InvalidStatus>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a status",
    note = "put `#[derive(Status, Clone, Copy)]` on the enum and give each variant a number: `Placed = 1`"
)]
pub trait Status: Copy + Send + Sync + 'static {
    /// Every variant, in the order of declaration.
    const ALL: &'static [Self];

    /// The number on the wire and in the tables.
    fn code(self) -> StatusCode;

    /// The variant that has a number, if there is one.
    fn from_code(code: StatusCode) -> Option<Self>;

    /// The variant's name, as `Paid`.
    fn name(self) -> &'static str;
}
