//! The properties of `tests/properties`, for the fuzz targets.

#[path = "../../properties/mod.rs"]
pub mod properties;
