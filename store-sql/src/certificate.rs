//! Certificates that do not hold, among the errors of a connection.

/// Whether a connection failed because of a certificate, which no other attempt will change. The driver has it among
/// what goes wrong in reading.
pub(crate) fn is_certificate(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::InvalidData && error.to_string().contains("certificate")
}
