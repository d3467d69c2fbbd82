//! Clusters, encoder emulators and raw sockets for tests.
