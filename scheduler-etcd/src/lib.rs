//! Who owns which role, decided by etcd.
