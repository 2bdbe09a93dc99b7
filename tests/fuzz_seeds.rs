//! Every committed seed of the fuzz targets goes through its target's property.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "properties/mod.rs"]
mod properties;

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use properties::{ALL, Verdict};

fn fuzz(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz").join(folder)
}

/// The names in a folder, without `.rs`.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".rs").to_owned()).collect()
}

#[test]
fn every_property_has_a_target_and_seeds_and_nothing_else_has() {
    let properties: BTreeSet<String> = ALL.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(properties, names(&fuzz("fuzz_targets")));
    assert_eq!(properties, names(&fuzz("seeds")));
}

#[test]
fn every_seed_holds_and_each_target_accepts_one_and_refuses_one() {
    let mut failed = Vec::new();
    for (target, property) in ALL {
        let folder = fuzz("seeds").join(target);
        let mut verdicts = Vec::new();
        for seed in names(&folder) {
            let data = fs::read(folder.join(&seed)).unwrap();
            match catch_unwind(AssertUnwindSafe(|| property(&data))) {
                Ok(verdict) => verdicts.push(verdict),
                Err(_) => failed.push(format!("{target}/{seed}")),
            }
        }
        for side in [Verdict::Accepted, Verdict::Refused] {
            if !verdicts.contains(&side) {
                failed.push(format!("{target} has no seed that is {side:?}"));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
