//! A user's day by simulation and on paper, and what many of them come to.

#![allow(unreachable_pub, reason = "a module of a test crate")]

pub mod day;
pub mod draws;
pub mod formulas;
pub mod herd;
pub mod plans;
pub mod tables;
