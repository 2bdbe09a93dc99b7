//! The gate's answers in the words of `entry.js`.

use crate::gate::Answer;

/// The answer as text: `answer`, the status, each header as `name:value`, an empty line, the body; a HEAD gets everything but the
/// body. No header can hold a line break.
pub(super) fn answer_text(answer: &Answer, is_head: bool) -> String {
    let mut text = format!("answer\n{}", answer.status);
    for (name, value) in &answer.headers {
        text.extend(["\n", name, ":", value]);
    }
    text.push_str("\n\n");
    if !is_head {
        text.push_str(&answer.body);
    }
    text
}
