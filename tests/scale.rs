//! What a user's day costs, by simulation through the real gate and on paper; the tables of docs/scale.md are made here and held
//! against what the document says.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

#[path = "scale/mod.rs"]
mod scale;
mod support;

use scale::day::{DAY, Day, Pages, Spent};
use scale::{formulas, herd, plans, tables};
use support::{Browser, Rotation, START, World};

/// Long enough for averages to show; a session lives for 120 h.
const LONG: Day = Day { active_secs: 100 * 3600, pages: Pages::PerMinute(1.0), ..DAY };

/// Days with pages like clockwork, one isolate.
fn clockwork() -> Vec<Day> {
    let mut days = Vec::new();
    for (every_secs, access_life_secs) in
        [(60, 3600), (30, 3600), (31, 3600), (300, 3600), (4000, 3600), (20, 3600), (7, 3600), (1, 3600)]
    {
        days.push(Day { pages: Pages::Every(every_secs), access_life_secs, ..DAY });
    }
    for (every_secs, access_life_secs) in [(60, 300), (10, 300), (400, 300), (60, 24 * 3600), (900, 1800)] {
        days.push(Day { pages: Pages::Every(every_secs), access_life_secs, ..DAY });
    }
    for (every_secs, gated) in [(60, 9), (10, 3)] {
        days.push(Day { pages: Pages::Every(every_secs), gated, public: 4, active_secs: 3 * 3600, ..DAY });
    }
    days
}

fn is_between(what: &str, counted: u32, (fewest, most): (u64, u64), day: &Day) {
    let counted = u64::from(counted);
    assert!((fewest..=most).contains(&counted), "{what}: {counted} is not from {fewest} to {most}: {day:?}");
}

/// Within a share of what is expected, and one for what a day begins and ends with.
fn is_about(what: &str, counted: u32, expected: f64, share: f64, day: &Day) {
    let counted = f64::from(counted);
    assert!((counted - expected).abs() <= expected * share + 1.0, "{what}: {counted} is not about {expected:.1}: {day:?}");
}

/// What holds on every day.
fn check_accounts(day: &Day, Spent { pages, requests, counts }: Spent) {
    let follow = u32::try_from(day.gated + day.public).unwrap();
    assert_eq!(requests, 3 + pages * (1 + follow) + u32::from(day.signs_out), "{day:?}");
    assert_eq!(counts.kv_deletes, u32::from(day.signs_out), "{day:?}");
    assert_eq!(counts.revocations, u32::from(day.signs_out), "{day:?}");
    // Every read is of three keys, but for the look back at the marks after each save.
    let saves = counts.kv_writes - 1 - u32::from(day.signs_out);
    assert_eq!(counts.keys_read, 3 * counts.kv_reads - saves, "{day:?}");
    assert!(u64::from(counts.key_fetches) <= formulas::most_key_fetches(day, counts.token_requests.into()), "{counts:?} {day:?}");
    assert_eq!(counts.questions > 0, day.strict);
}

#[test]
fn pages_like_clockwork_cost_what_the_formulas_say() {
    for day in clockwork() {
        let spent = day.live();
        check_accounts(&day, spent);
        let counts = spent.counts;
        let every = formulas::every(&day);
        let renewals = counts.token_requests - 1;
        is_between("renewals", renewals, formulas::renewals(day.active_secs, every, day.access_life_secs), &day);
        // One save each, no other writes than the sign-in's and the sign-out's mark.
        assert_eq!(counts.kv_writes, renewals + 2, "{day:?}");
        // A look back at each, and the sign-out's read.
        let cold = counts.kv_reads - renewals - 1;
        is_between("cold reads", cold, formulas::cold_reads(day.active_secs, every, renewals.into()), &day);
        let spaced = day.access_life_secs - formulas::margin_secs(day.access_life_secs) >= 300;
        if spaced {
            assert_eq!(counts.key_fetches, counts.token_requests, "a key set is old by the next renewal: {day:?}");
        }
    }
}

#[test]
fn the_bounds_are_narrow() {
    let (mut exact, mut rows) = (0, 0);
    for day in clockwork() {
        let every = formulas::every(&day);
        let (fewest, most) = formulas::renewals(day.active_secs, every, day.access_life_secs);
        assert!(most - fewest <= most / 3 + 1, "{fewest} to {most}: {day:?}");
        rows += 1;
        exact += u32::from(fewest == most);
    }
    assert!(exact >= rows * 2 / 3, "{exact} of {rows} are exact");
    assert_eq!(formulas::renewals(8 * 3600, 60, 3600), (8, 8));
    assert_eq!(formulas::cold_reads(8 * 3600, 60, 8), (479, 479));
}

#[test]
fn pages_at_random_cost_what_is_expected() {
    let days = [
        LONG,
        Day { gated: 9, ..LONG },
        Day { pages: Pages::PerMinute(6.0), ..LONG },
        Day { pages: Pages::PerMinute(6.0), isolates: 3, ..LONG },
        Day { pages: Pages::PerMinute(0.5), gated: 3, isolates: 2, ..LONG },
        Day { gated: 9, isolates: 2, ..LONG },
        Day { gated: 9, isolates: 4, ..LONG },
        Day { gated: 4, isolates: 8, public: 1, ..LONG },
        Day { gated: 9, access_life_secs: 300, ..LONG },
        Day { gated: 9, isolates: 2, access_life_secs: 300, ..LONG },
        Day { gated: 4, isolates: 2, strict: true, ..LONG },
        Day { pages: Pages::PerMinute(6.0), strict: true, ..LONG },
    ];
    for day in days {
        let spent = day.live();
        check_accounts(&day, spent);
        let counts = spent.counts;
        is_about("token requests", counts.token_requests, formulas::token_requests_at_random(&day), 0.06, &day);
        let saves = counts.kv_writes - 2;
        // Of several isolates that save at once KV takes one; the others read again and write again.
        let again = saves - (counts.token_requests - 1);
        assert!(again < counts.token_requests, "{counts:?} {day:?}");
        let cold = counts.kv_reads - saves - again - 1;
        is_about("cold reads", cold, formulas::cold_reads_at_random(&day), 0.05, &day);
        if day.strict {
            is_about("questions", counts.questions, formulas::questions_at_random(&day), 0.04, &day);
        }
    }
}

#[test]
fn one_isolate_pays_for_pages_and_not_for_what_follows_them() {
    let counts = [0, 1, 9].map(|gated| Day { gated, pages: Pages::Every(40), ..DAY }.live().counts);
    assert_eq!(counts[0], counts[1]);
    assert_eq!(counts[0], counts[2]);
}

#[test]
fn what_is_public_costs_nothing_but_the_request() {
    let [without, with] = [0, 9].map(|public| Day { public, isolates: 4, ..LONG }.live());
    assert_eq!(without.counts, with.counts);
    assert_eq!(with.requests - without.requests, 9 * with.pages);
}

#[test]
fn several_locations_cost_no_more_than_their_isolates_and_strict_mode_no_more_than_one() {
    for (isolates, locations) in [(1, 2), (1, 3), (2, 2), (3, 3)] {
        let day = Day { gated: 4, isolates, locations, active_secs: 40 * 3600, ..LONG };
        let (spent, strict) = (day.live(), Day { strict: true, ..day }.live());
        check_accounts(&day, spent);
        let rounds = formulas::rounds_at_random(&day);
        let at_most = 1.0 + (rounds + 1.0) * formulas::isolates_met(isolates, 5) * f64::from(u32::try_from(locations).unwrap());
        let requests = f64::from(spent.counts.token_requests);
        assert!((rounds..=at_most).contains(&requests), "{requests} is not from {rounds} to {at_most}: {day:?}");
        is_about("strict mode's token requests", strict.counts.token_requests, 1.0 + rounds, 0.03, &day);
        assert_eq!(strict.counts.kv_writes, strict.counts.token_requests + 1);
        let cold = spent.counts.kv_reads - 2 * spent.counts.kv_writes + spent.counts.token_requests;
        is_about("cold reads", cold, formulas::cold_reads_at_random(&day), 0.05, &day);
    }
}

#[test]
fn when_kv_takes_no_more_writes_every_cold_read_within_the_margin_leads_to_one_refresh_at_most() {
    for isolates in [1, 2] {
        let day = Day { pages: Pages::PerMinute(6.0), isolates, active_secs: 4 * 3600, ..tables::SPENT };
        let counts = day.live().counts;
        let at_most = u32::try_from(isolates).unwrap() * u32::try_from((day.active_secs - 3300) / 30 + 1).unwrap();
        assert!(counts.token_requests - 1 <= at_most, "{counts:?}");
    }
}

#[test]
fn with_rotation_a_renewal_that_kv_never_takes_ends_the_session_with_its_token() {
    for rotation in [Rotation::Grace(0), Rotation::Grace(60)] {
        let world = World::new();
        world.cognito.rotation.set(rotation);
        let browser = Browser::new(&world);
        assert_eq!(browser.sign_in("/app/").status, 303);
        world.kv.take_no_more_writes();
        for (secs, served) in [(3400, true), (3500, true), (3601, false)] {
            world.pass(START + secs - world.now());
            assert_eq!(browser.open("/app/").site, served, "{rotation:?} after {secs} s");
            world.finish_background();
        }
    }
}

#[test]
fn the_days_of_the_document_are_what_is_counted() {
    tables::check("days", &tables::days());
}

#[test]
fn the_free_plan_of_the_document_is_what_the_days_come_to() {
    tables::check("free plan", &tables::free_plan());
}

#[test]
fn the_prices_of_the_document_are_what_the_days_come_to() {
    tables::check("prices", &tables::prices());
}

#[test]
fn the_users_at_once_of_the_document_are_by_the_formula() {
    tables::check("users at once", &tables::users_at_once());
}

#[test]
fn the_herds_of_the_document_are_what_is_counted() {
    tables::check("herds", &tables::herds());
}

#[test]
fn the_spent_writes_of_the_document_are_what_is_counted() {
    tables::check("spent writes", &tables::spent_writes());
}

#[test]
fn the_shared_reads_of_the_document_are_by_the_formula() {
    tables::check("shared reads", &tables::shared_reads());
}

#[test]
fn a_plan_names_what_ends_first() {
    let writes = plans::Use { writes: 10.0, ..plans::Use::of_requests(100.0) };
    assert_eq!(plans::free_plan_users(&writes)[2], ("keys written", 100));
    assert_eq!(plans::first(&writes), ("keys written", 100));
    assert_eq!(plans::first(&plans::Use::of_requests(5000.0)), ("requests", 20));
}

#[test]
fn a_price_begins_where_the_plan_ends() {
    let monthly = |requests: f64| plans::monthly_dollars(&plans::Use::of_requests(requests / 30.0), 1).total();
    assert!((monthly(10e6) - 5.0).abs() < 1e-6, "all included");
    // 10 million requests more, and a millisecond each of which 20 million are included still.
    assert!((monthly(20e6) - 8.0).abs() < 1e-6);
    assert!((monthly(40e6) - (5.0 + 9.0 + 0.2)).abs() < 1e-6);
}

#[test]
fn a_herd_that_signs_in_together_is_renewed_over_a_quarter_of_the_margin() {
    let times = herd::renewal_times(12_000);
    let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    assert_eq!((*first, *last), (3300, 3374), "seconds after the sign-in");
    for second in 3300..3375 {
        let renewed = times.iter().filter(|time| **time == second).count();
        assert!((100..=240).contains(&renewed), "{renewed} of 12000 in second {second}: 160 would be even");
    }
}

#[test]
fn a_herd_never_comes_back_thicker_than_it_came() {
    for window_secs in [120.0, 600.0, 3600.0] {
        let users = 20_000;
        let came = f64::from(users) / window_secs;
        for peak in herd::peaks(users, window_secs, 1.0) {
            // Counted over ten seconds, and chance is allowed four deviations.
            assert!(peak <= came + 4.0 * (came / 10.0).sqrt(), "{peak} after {came} a second");
        }
    }
}
