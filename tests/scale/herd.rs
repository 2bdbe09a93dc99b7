//! Many users who sign in at about one time, and when their tokens are renewed after it: by the policy's own times.

use edgegate::session::policy::renew_at;
use edgegate::session::record::Record;

use super::draws::Draws;
use crate::support::{Browser, World};

const HOUR_SECS: u64 = 3600;

/// A record of a user whose token was issued then.
fn record(pattern: &Record, issued_at: u64, draws: &mut Draws) -> Record {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // A signature's end.
    let access_token = (0..16).map(|_| char::from(ALPHABET[draws.below(64)])).collect();
    Record { access_token, access_issued_at: issued_at, access_expires_at: issued_at + HOUR_SECS, ..pattern.clone() }
}

fn pattern() -> Record {
    let browser = Browser::new(&World::new());
    assert_eq!(browser.sign_in("/app/").status, 303);
    browser.stored().expect("a session")
}

/// How long after a sign-in each of so many users' tokens is to be renewed.
pub fn renewal_times(users: u32) -> Vec<u64> {
    let (pattern, mut draws) = (pattern(), Draws::new(7));
    (0..users).map(|_| renew_at(&record(&pattern, 10_000, &mut draws)) - 10_000).collect()
}

/// Users sign in within a window, evenly, and load so many pages a minute. The most refreshes a second, over ten seconds, that
/// come of it in the first round, the second and the third.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "seconds of a day")]
pub fn peaks(users: u32, window_secs: f64, pages_per_min: f64) -> [f64; 3] {
    let (pattern, mut draws) = (pattern(), Draws::new(11));
    let mut counts = [(); 3].map(|()| vec![0_u32; 3 * 3600]);
    for _ in 0..users {
        let mut issued_at = draws.unit() * window_secs;
        for round in &mut counts {
            let due = renew_at(&record(&pattern, issued_at as u64, &mut draws));
            issued_at = due as f64 + draws.wait_secs(pages_per_min / 60.0);
            if let Some(count) = round.get_mut(issued_at as usize / 10) {
                *count += 1;
            }
        }
    }
    counts.map(|round| f64::from(round.into_iter().max().unwrap_or(0)) / 10.0)
}
