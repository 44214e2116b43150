//! Tests of the disk store on real files.
