//! Tests of the store against a server in this process.
