//! Record formats as layers.
