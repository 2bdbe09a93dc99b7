//! The tables of docs/scale.md, made anew and held against the document.

#![allow(clippy::cast_precision_loss, reason = "small numbers")]

use std::fmt::Write as _;
use std::sync::LazyLock;

use super::day::{DAY, Day, Pages, Spent};
use super::plans::{Use, first, free_plan_users, monthly_dollars};
use super::{formulas, herd};

/// Holds a table against the one between its two comments in the document.
pub fn check(name: &str, table: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/scale.md");
    let document = std::fs::read_to_string(path).expect("docs/scale.md");
    let (begin, end) = (format!("<!-- table: {name} -->\n"), "<!-- end -->");
    let told = document.split_once(&begin).and_then(|(_, rest)| rest.split_once(end)).map(|(told, _)| told);
    assert!(
        told == Some(table),
        "docs/scale.md does not say what is counted. Between \"{}\" and \"{end}\" it should say:\n\n{table}\n",
        begin.trim()
    );
}

/// Named days, each lived five times.
static DAYS: LazyLock<Vec<(&str, Day, Vec<Spent>)>> = LazyLock::new(|| {
    let office = Day { pages: Pages::PerMinute(1.0), ..DAY };
    let gated = Day { gated: 9, ..office };
    let app = Day { pages: Pages::PerMinute(6.0), ..DAY };
    let visit = Day { active_secs: 900, pages: Pages::PerMinute(2.0), public: 9, signs_out: false, ..DAY };
    let days = [
        ("a visit", visit),
        ("pages, the rest public", Day { public: 9, ..office }),
        ("the same", Day { public: 9, isolates: 2, ..office }),
        ("pages, all gated", gated),
        ("the same", Day { isolates: 2, ..gated }),
        ("the same", Day { isolates: 4, ..gated }),
        ("the same", Day { isolates: 2, locations: 2, ..gated }),
        ("the same", Day { isolates: 2, access_life_secs: 300, ..gated }),
        ("the same", Day { isolates: 2, strict: true, ..gated }),
        ("the same", Day { isolates: 2, locations: 2, strict: true, ..gated }),
        ("an app's requests", app),
        ("the same", Day { isolates: 2, ..app }),
        ("the same", Day { isolates: 2, strict: true, ..app }),
    ];
    days.into_iter().map(|(name, day)| (name, day, (1..=5).map(|seed| Day { seed, ..day }.live()).collect())).collect()
});

/// Those that stand for many in the plans.
fn typical() -> Vec<(&'static str, Use)> {
    let of = |name, place: usize| (name, Use::mean(&DAYS[place].2));
    vec![
        of("a visit of a quarter of an hour", 0),
        of("pages all day, the rest public", 2),
        of("pages all day, all gated", 4),
        of("the same, strict mode", 8),
        of("an app's requests all day", 11),
        of("the same, strict mode", 12),
    ]
}

pub fn days() -> String {
    let mut table = String::from(
        "| a day | hours | pages a minute | after each: gated | public | isolates × locations | token | strict \
         | requests | KV reads | **keys read** | **written** | deleted | **token requests** | key sets | questions |\n\
         |---|---:|---:|---:|---:|---:|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, day, spent) in DAYS.iter() {
        let mean = |of: fn(&Spent) -> u32| {
            let sum: u32 = spent.iter().map(of).sum();
            thousands((f64::from(sum) / 5.0).round())
        };
        let Pages::PerMinute(pages) = day.pages else { panic!("at random") };
        let hours = day.active_secs as f64 / 3600.0;
        let token = if day.access_life_secs == 300 { "5 min" } else { "1 h" };
        let strict = if day.strict { "yes" } else { "" };
        writeln!(
            table,
            "| {name} | {hours} | {pages} | {} | {} | {} × {} | {token} | {strict} | {} | {} | {} | {} | {} | {} | {} | {} |",
            day.gated,
            day.public,
            day.isolates,
            day.locations,
            mean(|spent| spent.requests),
            mean(|spent| spent.counts.kv_reads),
            mean(|spent| spent.counts.keys_read),
            mean(|spent| spent.counts.kv_writes),
            mean(|spent| spent.counts.kv_deletes),
            mean(|spent| spent.counts.token_requests),
            mean(|spent| spent.counts.key_fetches),
            mean(|spent| spent.counts.questions),
        )
        .unwrap();
    }
    table
}

pub fn free_plan() -> String {
    let mut table = String::from(
        "| users a day, until | requests | keys read | keys written | keys deleted | guard questions | guard rows | first |\n\
         |---|---:|---:|---:|---:|---:|---:|---|\n",
    );
    for (name, per_user) in typical() {
        let users: Vec<String> = free_plan_users(&per_user)
            .into_iter()
            .map(|(_, users)| if users == u64::MAX { String::new() } else { thousands(users as f64) })
            .collect();
        let (what, users_first) = first(&per_user);
        writeln!(table, "| {name} | {} | **{what}: {}** |", users.join(" | "), thousands(users_first as f64)).unwrap();
    }
    table
}

pub fn prices() -> String {
    let mut table = String::from(
        "| dollars a month | users a day | requests | CPU | keys read | written, deleted | guards | **with the plan's 5** |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, per_user) in typical() {
        for users in [1_000, 10_000, 100_000] {
            let price = monthly_dollars(&per_user, users);
            let parts = [price.requests, price.cpu, price.reads, price.writes, price.guards].map(|part| thousands(part.round()));
            let total = thousands(price.total().round());
            writeln!(table, "| {name} | {} | {} | **{total}** |", thousands(users.into()), parts.join(" | ")).unwrap();
        }
    }
    table
}

pub fn users_at_once() -> String {
    let mut table =
        String::from("| token lives for | one isolate sees a user | two | four | strict mode |\n|---|---:|---:|---:|---:|\n");
    let base = Day { pages: Pages::PerMinute(1.0), gated: 9, ..DAY };
    for (name, access_life_secs) in [("5 min", 300), ("15 min", 900), ("1 h (Cognito's default)", 3600), ("24 h", 86_400)] {
        let base = Day { access_life_secs, ..base };
        let days = [base, Day { isolates: 2, ..base }, Day { isolates: 4, ..base }, Day { isolates: 4, strict: true, ..base }];
        let cells = days.map(|day| thousands((formulas::users_at_once(&day, REFRESHES_A_SEC) / 1000.0).floor() * 1000.0));
        writeln!(table, "| {name} | {} |", cells.join(" | ")).unwrap();
    }
    table
}

pub fn herds() -> String {
    let mut table = String::from(
        "| 10,000 users sign in within | sign-ins a second | most refreshes a second an hour later | two hours | three |\n\
         |---|---:|---:|---:|---:|\n",
    );
    for (name, secs) in [("a second", 1.0), ("a minute", 60.0), ("ten minutes", 600.0), ("an hour", 3600.0)] {
        let peaks = herd::peaks(10_000, secs, 1.0).map(|peak| format!("{peak:.0}"));
        writeln!(table, "| {name} | {} | {} |", thousands((10_000.0_f64 / secs).round()), peaks.join(" | ")).unwrap();
    }
    table
}

/// A morning after the day's writes are spent.
pub const SPENT: Day = Day { signs_out: false, writes_are_spent: true, active_secs: 4 * 3600, ..DAY };

pub fn spent_writes() -> String {
    let mut table = String::from(
        "| four hours after the sign-in | isolates | token requests | with writes | writes tried |\n|---|---:|---:|---:|---:|\n",
    );
    for (name, per_min) in [("a page a minute", 1.0), ("six requests a minute", 6.0)] {
        for isolates in [1, 2] {
            let day = Day { pages: Pages::PerMinute(per_min), isolates, ..SPENT };
            let (without, with) = (day.live().counts, Day { writes_are_spent: false, ..day }.live().counts);
            let row = [without.token_requests, with.token_requests, without.kv_writes].map(|count| count.to_string());
            writeln!(table, "| {name} | {isolates} | {} |", row.join(" | ")).unwrap();
        }
    }
    table
}

pub fn shared_reads() -> String {
    let mut table = String::from(
        "| isolates | KV reads of cold isolates | if each read once | keys billed, now | then |\n|---:|---:|---:|---:|---:|\n",
    );
    for isolates in [1, 2, 4] {
        let day = Day { pages: Pages::PerMinute(1.0), gated: 9, isolates, ..DAY };
        let (now, then) = (formulas::cold_reads_at_random(&day), formulas::cold_reads_if_shared(&day));
        let cells = [now, then, 3.0 * now, 3.0 * then].map(|count| thousands(count.round()));
        writeln!(table, "| {isolates} | {} |", cells.join(" | ")).unwrap();
    }
    table
}

/// Cognito's default for the category that refreshes are of, in an account and region.
const REFRESHES_A_SEC: f64 = 120.0;

fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
