//! How a connection is encrypted, and whom it trusts.

use std::path::PathBuf;

use super::problem::{DsnError, Problems};

/// Whether a connection is encrypted, and what is checked of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Never.
    Disabled,
    /// If the server can; nothing is checked.
    Preferred,
    /// Always; nothing is checked.
    Required,
    /// Always; the certificate must come from an authority that is trusted.
    VerifyCa,
    /// Always; the certificate must come from an authority that is trusted and be for this host.
    VerifyIdentity,
}

impl TlsMode {
    /// Whether the server's certificate is checked.
    pub fn verifies(self) -> bool {
        matches!(self, TlsMode::VerifyCa | TlsMode::VerifyIdentity)
    }
}

/// The encryption of a connection: mode, trusted authority, the client's own certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// The mode, if one was named.
    pub mode: Option<TlsMode>,
    /// A PEM file of the authorities to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate.
    pub client_certificate: Option<PathBuf>,
    /// A PEM file with its key.
    pub client_key: Option<PathBuf>,
}

/// What the parameters are called, for messages.
pub(super) struct TlsNames {
    pub(super) ca: &'static str,
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
    pub(super) verifying: &'static str,
}

impl Tls {
    /// The mode that is used: an authority that is named is also asked.
    pub fn effective_mode(&self) -> TlsMode {
        let default = if self.ca.is_some() { TlsMode::VerifyCa } else { TlsMode::Preferred };
        self.mode.unwrap_or(default)
    }

    /// Whether the files that are named can be read now.
    ///
    /// # Errors
    /// Each that cannot, with the reason.
    pub fn check_files(&self) -> Result<(), DsnError> {
        let mut problems = Problems::default();
        let files = [
            ("the authority's certificate", &self.ca),
            ("the client's certificate", &self.client_certificate),
            ("the client's key", &self.client_key),
        ];
        for (part, file) in files {
            let Some(file) = file else { continue };
            if let Err(error) = std::fs::File::open(file) {
                problems.add(part, format!("{} cannot be read: {error}", file.display()));
            }
        }
        problems.or(())
    }

    /// Refuses certificates that the mode would pass over.
    pub(super) fn check(&self, names: &TlsNames, problems: &mut Problems) {
        let mode = self.effective_mode();
        if self.ca.is_some() && !mode.verifies() {
            let reason =
                format!("it is not looked at unless the certificate is checked: add {}", names.verifying);
            problems.add(names.ca, reason);
        }
        if self.client_certificate.is_some() != self.client_key.is_some() {
            let (there, missing) = match self.client_key {
                None => (names.certificate, names.key),
                Some(_) => (names.key, names.certificate),
            };
            problems.add(there, format!("a certificate and its key go together: add {missing}"));
        }
        if self.client_certificate.is_some() && matches!(mode, TlsMode::Disabled | TlsMode::Preferred) {
            let reason = format!("it is not sent for sure unless encryption is: add {}", names.verifying);
            problems.add(names.certificate, reason);
        }
    }
}
