//! For `dev/end-sessions.mjs`: the marker that ends a user's sessions, made by the gateway's own code.
//!
//! Reads `{"vars","sub","now"}` from the standard input, where `vars` are the variables of `wrangler.toml`, and writes the marker as JSON.
//! Where the variables are wrong, it writes what is wanted and ends with exit code 1.

use std::collections::BTreeMap;
use std::io::{Error, stdin, stdout};
use std::process::ExitCode;

use edgegate::config::issuer_and_session_life;
use edgegate::session::end_marker::UserEndMarker;
use serde::Deserialize;

#[derive(Deserialize)]
struct Wanted {
    vars: BTreeMap<String, String>,
    sub: String,
    now: u64,
}

fn main() -> Result<ExitCode, Error> {
    let Wanted { vars, sub, now } = serde_json::from_reader(stdin())?;
    match issuer_and_session_life(|name| vars.get(name).cloned()) {
        Ok((issuer, ttl_secs)) => {
            serde_json::to_writer(stdout(), &UserEndMarker::new(&issuer, &sub, ttl_secs, now))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            for problem in problems {
                println!("{}: wanted is {}, e.g. {}", problem.name, problem.wanted, problem.example);
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
