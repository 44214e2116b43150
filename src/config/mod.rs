//! Policy file + environment + flags → a [`crate::job::Job`] in which nothing can be invalid.
//!
//! The command line wins over `UNWRITE_*` variables, those over `[options]` of the config file. Reading the command line is
//! `cli`'s; here are the file and the words in it.

pub mod policy_file;
pub mod units;
