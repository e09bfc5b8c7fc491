//! This engine and the Go library on the same tables and topics. The Go side is the program in `tests/interop`, which has
//! the Go library's own driver, protocol buffers and client of Kafka.
#![allow(missing_docs, clippy::unwrap_used)]

mod across;
mod beside;
mod blind;
mod bytes;
mod counted;
mod go;
mod partitions;
mod relay;
mod relayed;
mod shared;
mod states;
mod streamed;
mod tables;
mod topics;
