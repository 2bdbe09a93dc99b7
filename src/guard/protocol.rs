//! The gateway's questions to the guard and the guard's replies, as JSON. During a rollout, gateways and guards of two versions
//! talk to each other.

use serde::{Deserialize, Serialize};

use crate::jose::unique_json;
use crate::ports::UnixSecs;

/// A question about one session.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardRequest {
    /// The session: the hash in its KV key.
    pub session: String,
    /// The question.
    #[serde(deserialize_with = "unique_json::object")]
    pub question: Question,
}

/// The gateway's question or message. Each may be repeated: a repetition changes nothing and gets the same reply.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ask")]
pub enum Question {
    /// Is this generation the newest? 0: the gateway knows none.
    Look {
        /// The gateway's generation.
        generation: u64,
    },
    /// May this generation's refresh token be sent to Cognito now?
    Lease {
        /// The gateway's generation.
        generation: u64,
        /// Names the asking request, so that its repeated question is not refused because of the first.
        holder: String,
    },
    /// The refresh failed: the lease is free again.
    Release {
        /// The holder of the lease.
        holder: String,
    },
    /// A new record, made of generation `from`. From 0: a login. From its own generation: a record that the guard has never seen,
    /// of a session that is older than strict mode.
    Save {
        /// The generation of the record before: the lease's generation.
        from: u64,
        /// The generation of the new record.
        generation: u64,
        /// The sealed record, as KV has it.
        sealed: String,
        /// When the guard may drop the record.
        expires_at: UnixSecs,
    },
    /// The session has ended.
    End {
        /// When the guard may drop the ended session.
        expires_at: UnixSecs,
    },
}

/// The guard's reply.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "answer")]
pub enum GuardReply {
    /// The session has ended.
    Ended,
    /// Another holder has the lease.
    Held,
    /// There is a newer record.
    Newer {
        /// The newest record, sealed.
        sealed: String,
    },
    /// The generation is the newest, or the message was carried out.
    #[serde(rename = "yes")]
    Accepted,
    /// The guard knows no record, or an older one than the gateway's.
    Unknown,
}

impl GuardRequest {
    /// The request as JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }

    /// Reads the text of [`Self::encode`].
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        unique_json::read(json.as_bytes())
    }
}

impl GuardReply {
    /// The reply as JSON.
    #[must_use]
    pub fn encode(&self) -> String {
        encode(self)
    }

    /// Reads the text of [`Self::encode`].
    #[must_use]
    pub fn parse(json: &str) -> Option<Self> {
        unique_json::read(json.as_bytes())
    }
}

/// Texts, numbers and truth values are always written.
pub(super) fn encode(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_and_answers_read_back_from_their_texts() {
        for (question, text) in [
            (Question::Look { generation: 2 }, r#"{"ask":"look","generation":2}"#),
            (Question::Lease { generation: 2, holder: "a".to_owned() }, r#"{"ask":"lease","generation":2,"holder":"a"}"#),
            (Question::Release { holder: "a".to_owned() }, r#"{"ask":"release","holder":"a"}"#),
            (
                Question::Save { from: 2, generation: 3, sealed: "new".to_owned(), expires_at: 6000 },
                r#"{"ask":"save","from":2,"generation":3,"sealed":"new","expires_at":6000}"#,
            ),
            (Question::End { expires_at: 6000 }, r#"{"ask":"end","expires_at":6000}"#),
        ] {
            let request = GuardRequest { session: "hash".to_owned(), question };
            let text = format!(r#"{{"session":"hash","question":{text}}}"#);
            assert_eq!(request.encode(), text);
            assert_eq!(GuardRequest::parse(&text), Some(request));
        }
        for (answer, text) in [
            (GuardReply::Ended, r#"{"answer":"ended"}"#),
            (GuardReply::Held, r#"{"answer":"held"}"#),
            (GuardReply::Newer { sealed: "sealed-2".to_owned() }, r#"{"answer":"newer","sealed":"sealed-2"}"#),
            (GuardReply::Accepted, r#"{"answer":"yes"}"#),
            (GuardReply::Unknown, r#"{"answer":"unknown"}"#),
        ] {
            assert_eq!(answer.encode(), text);
            assert_eq!(GuardReply::parse(text), Some(answer));
        }
        for nonsense in ["", "{}", r#"{"answer":"no"}"#, r#"{"answer":"newer"}"#, r#"["yes"]"#, r#"["newer","sealed-2"]"#] {
            assert_eq!(GuardReply::parse(nonsense), None, "{nonsense}");
        }
    }
}
