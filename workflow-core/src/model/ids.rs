//! Identities that the engine makes: run ids, event ids, versions and epochs.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use uuid::Uuid;

/// The prefix of every outbox row id, shared with the Go library.
const EVENT_ID_PREFIX: &str = "outbox-id-";

/// The identity of one run, a UUID.
///
/// ```
/// use workflow_core::RunId;
/// let id = RunId::generate();
/// assert_eq!(id.to_string().parse::<RunId>().unwrap(), id);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(Uuid);

impl RunId {
    /// A new, time-ordered id (UUID version 7).
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// An id that another program made.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The run's place among the [`BUCKETS`], by which outbox rows are sharded.
    pub fn bucket(&self) -> u16 {
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        bucket_of(self.0.hyphenated().encode_lower(&mut text))
    }
}

impl FromStr for RunId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identity of an event, and of an outbox row: `outbox-id-{uuid}`.
///
/// An event keeps the id of the row that was written with its version; a re-emission carries it under a new row id.
///
/// ```
/// use workflow_core::EventId;
/// let first = EventId::after(None);
/// let second = EventId::after(Some(first));
/// assert!(second > first);
/// assert!(second.to_string().starts_with("outbox-id-"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// A new id that sorts after `last`, even if this host's clock is behind the one that made `last`.
    pub fn after(last: Option<EventId>) -> Self {
        let fresh = Uuid::now_v7();
        match last {
            Some(EventId(last)) if last >= fresh => Self(Uuid::from_u128(last.as_u128().wrapping_add(1))),
            _ => Self(fresh),
        }
    }

    /// The id as a UUID.
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }

    /// An id read from a place that stores the UUID alone.
    pub const fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid)
    }
}

impl FromStr for EventId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text.strip_prefix(EVENT_ID_PREFIX).unwrap_or("")).map(Self)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EVENT_ID_PREFIX}{}", self.0)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How often a run has been stored: 1 on creation, one more with every store.
///
/// ```
/// use workflow_core::Version;
/// assert_eq!(Version::FIRST.next(), Version::new(2).unwrap());
/// assert_eq!(Version::new(2).unwrap().get(), 2);
/// assert_eq!(Version::new(0), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(NonZeroU64);

impl Version {
    /// The version of a run that was just created.
    pub const FIRST: Version = Version(NonZeroU64::MIN);

    /// A version read from elsewhere; `None` for zero, which no stored run has.
    pub const fn new(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// The version as a number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The version that the next store of the run gets.
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The fencing number of a role's owner: rises with each owner, and is checked in every store made under the role.
///
/// ```
/// use workflow_core::Epoch;
/// assert!(Epoch::new(18) > Epoch::new(17));
/// assert_eq!(Epoch::new(17).get(), 17);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(u64);

impl Epoch {
    /// An epoch as a scheduler or a store gave it.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// The epoch as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many buckets run ids are spread over; the shard of an outbox row is its bucket modulo the shard count.
pub const BUCKETS: u16 = 1024;

/// The bucket of a run id given as text: FNV-1a 32 modulo [`BUCKETS`].
///
/// ```
/// use workflow_core::{BUCKETS, RunId, bucket_of};
/// let run = RunId::generate();
/// assert_eq!(bucket_of(&run.to_string()), run.bucket());
/// assert!(run.bucket() < BUCKETS);
/// ```
pub fn bucket_of(run_id: &str) -> u16 {
    (fnv1a_32(run_id.as_bytes()) % u32::from(BUCKETS)) as u16
}

/// FNV-1a, 32 bits (Fowler, Noll, Vo; offset basis 2166136261, prime 16777619), as the sarama client's partitioner hashes a key.
///
/// ```
/// use workflow_core::fnv1a_32;
/// assert_eq!(fnv1a_32(b"a"), 0xe40c_292c);
/// ```
pub fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(16_777_619))
}
