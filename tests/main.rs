//! Black-box tests of the `unwrite` binary and matrix tests of the library, written against the specification.
//!
//! One binary, so that it links once. `support` has the world in which a test runs (a folder, a registry, the binary), makers
//! of compressed files and archives, and the check that every manifest line of every test must pass. The other modules are
//! one each for a part of the specification.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bad;
mod compiled;
mod cores;
mod differential;
mod differential_records;
mod differential_variants;
mod exactness;
mod filter;
mod gate;
mod job;
mod json;
mod leaks;
mod logs;
mod matrix;
mod mirror;
mod naive;
mod operation;
mod pgarchive;
mod pgfolder;
mod policy;
mod readme;
mod records;
mod reflink;
mod refused;
mod registry;
mod registry_verbs;
mod restore;
#[cfg(feature = "s3")]
mod s3;
mod s3_docs;
mod schema;
mod settle;
mod since;
mod splice;
mod sql;
mod sql_ddl;
mod sql_keys;
mod sql_odd;
mod support;
mod units;
mod variants;
mod zip;
