//! How far a backfill is, and with which arguments another run goes on.

use std::sync::Arc;

use aws_sdk_s3::primitives::DateTimeFormat;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::pages::LeftOut;
use super::{BackfillArgs, Listed};
use crate::Error;
use crate::plain::plain;

/// Both stages report to it.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    args: Arc<BackfillArgs>,
    state: Arc<Mutex<State>>,
    stopping: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    sent: u64,
    /// All objects up to this key have a message.
    last: Option<String>,
    left_out: LeftOut,
    failed: bool,
}

/// There are objects without a message.
#[derive(Debug, thiserror::Error)]
#[error("not all messages are sent; the line above says how to go on")]
pub struct Unfinished;

/// How many messages are sent between two lines about that.
const LINE: u64 = 1000;

impl Progress {
    pub(super) fn of(args: BackfillArgs) -> Self {
        let (state, stopping) = Default::default();
        Self { args: Arc::new(args), state, stopping }
    }

    /// The program is told to stop: a message that cannot be sent now is not sent.
    pub(super) fn stop(&self) {
        self.stopping.cancel();
    }

    pub(super) fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// All messages about these are sent, and those about the ones before them too, unless something has failed.
    pub(super) fn sent(&self, objects: &[Listed]) {
        let mut state = self.state.lock();
        let before = state.sent;
        state.sent += objects.len() as u64;
        let (sent, Some(Listed { key, .. })) = (state.sent, objects.last()) else { return };
        // Another run goes on before the gap, so it sends the messages behind the gap again.
        if state.failed {
            return;
        }
        state.last = Some(key.clone());
        drop(state);
        if before / LINE < sent / LINE {
            info!(sent, last = key, "Sent {sent} messages. The last one is about {key}");
        }
    }

    /// An object has no message. From now on, another run has to go on from here.
    pub(super) fn fail(&self, reason: impl AsRef<str>) {
        if !std::mem::replace(&mut self.state.lock().failed, true) {
            error!("{}", reason.as_ref());
        }
        self.stop();
    }

    pub(super) fn leave_out(&self, more: &LeftOut) {
        let LeftOut { folders, older, archived } = &mut self.state.lock().left_out;
        *folders += more.folders;
        *older += more.older;
        *archived += more.archived;
    }

    /// Both stages have ended. The last line says whether all is sent, or else how to go on.
    ///
    /// # Errors
    ///
    /// If not all is sent.
    pub(super) fn end(&self) -> Result<(), Error> {
        let State { sent, last, left_out, .. } = &*self.state.lock();
        let place = self.args.backfill.iter().map(ToString::to_string).collect::<String>();
        if self.stopping.is_cancelled() {
            let rest = self.arguments(last.as_ref());
            warn!(sent, last, "Sent {sent} messages, and not all. To go on: {rest}");
            return Err(Unfinished.into());
        }
        let after = self.args.start_after.iter().map(|key| format!(" after {key}"));
        let after: String = after.collect();
        match (sent, self.left_out(left_out)) {
            (0, None) => warn!(sent, "Nothing is sent, because {place} holds nothing{after}"),
            (_, None) => info!(sent, "Sent {sent} messages: all that {place} holds{after}"),
            (_, Some(but)) => {
                info!(sent, "Sent {sent} messages: all that {place} holds{after}, but {but}");
            }
        }
        Ok(())
    }

    fn left_out(&self, LeftOut { folders, older, archived }: &LeftOut) -> Option<String> {
        let since = self.since().unwrap_or_default();
        let parts = [
            (*folders, "empty folders".to_owned()),
            (*older, format!("from before {since}")),
            (*archived, "in an archive (S3 tells of them when they are restored)".to_owned()),
        ];
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn since(&self) -> Option<String> {
        self.args.modified_since?.fmt(DateTimeFormat::DateTime).ok()
    }

    /// The arguments of the run that goes on, for a shell.
    fn arguments(&self, last: Option<&String>) -> String {
        let place = self.args.backfill.as_ref().map(ToString::to_string);
        let arguments = [
            ("--backfill", place),
            ("--start-after", last.or(self.args.start_after.as_ref()).cloned()),
            ("--modified-since", self.since()),
        ];
        let arguments = arguments.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let arguments: Vec<_> =
            arguments.map(|(name, value)| format!("{name}={}", word(&value))).collect();
        arguments.join(" ")
    }
}

/// The text as one word for a shell.
fn word(text: &str) -> String {
    let needs_no_quotes = |c: char| c.is_ascii_alphanumeric() || "/:._-+=@%,".contains(c);
    if text.chars().all(needs_no_quotes) {
        return text.to_owned();
    }
    // The log escapes special characters, so they are escaped here in a way that a shell understands.
    if plain(text) == text {
        return format!("'{}'", text.replace('\'', r"'\''"));
    }
    let escaped = text.bytes().map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(byte)),
        b' '..=b'~' => char::from(byte).to_string(),
        // Always three digits, so that a digit that follows is another character.
        _ => format!("\\{byte:03o}"),
    });
    format!("$'{}'", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_the_key_as_it_is() {
        let special: String = ('\u{1}'..='\u{9f}').chain("\u{2028}\u{202e}7".chars()).collect();
        for key in [
            "a/b-1.gz",
            "two words",
            "it's $HOME `x` \"y\" \\n !",
            "ü/日本/🦀*?",
            "",
            "-x",
            "~",
            "a\nb",
            "\t1\\'2",
            &special,
        ] {
            let word = word(key);
            assert_eq!(plain(&word), word, "the log shows it as it is");
            let printed =
                Command::new("bash").args(["-c", &format!("printf %s x{word}")]).output().unwrap();
            assert_eq!(String::from_utf8(printed.stdout).unwrap(), format!("x{key}"));
        }
    }
}
