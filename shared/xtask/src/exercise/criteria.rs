//! Criteria that a transcript does not show.
//!
//! Step 3 differs from step 2 by a word, and step 7 prints the same as step 6. Step 5 prints the same without the care
//! that it takes of events on their way.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};
use testing::transcript::{Patience, lines_of};

use crate::code;
use crate::steps::Step;

/// A further criterion of a step.
pub struct Criterion {
    /// The criterion, as the task says it.
    pub task: &'static str,
    /// Returns the mistake in the code in this folder, if there is one. The second path is its program.
    pub check: fn(&Path, &Path) -> Result<Option<String>>,
}

/// Returns the criterion that the transcript of a step does not show.
pub fn of(step: &Step) -> Option<Criterion> {
    match step.number {
        3 => Some(Criterion {
            task: "The server calls a function of the producer, `SqsProducer::enqueue`, and does not name the \
                   producer's messages. `--check` looks for that in `src/server.rs`, because the transcript cannot show it.",
            check: the_server_calls_enqueue,
        }),
        5 => Some(Criterion {
            task: "No event is lost, and none is looked for twice. A loop that is aborted loses the events that it has just \
                   received. The producer still counts events as missing that a loop has sent to it and that it has not \
                   got yet, so a loop that looks for `pending` events looks for those twice. The transcript shows neither, \
                   so `--check` looks for `abort` in `src/server.rs` and for `pending` in the producer's call of `pull`.",
            check: no_event_is_lost_or_looked_for_twice,
        }),
        7 => Some(Criterion {
            task: "Step 6 prints the same, as long as nothing comes back. So `--check` also runs the program on a queue of \
                   its own, with a visibility timeout of six seconds: it must show each file once, and leave no message behind.",
            check: no_message_is_left,
        }),
        _ => None,
    }
}

fn the_server_calls_enqueue(folder: &Path, _program: &Path) -> Result<Option<String>> {
    let server = file(folder, "server.rs")?;
    let line_with = |text: &str| server.iter().find(|line| line.contains(text));
    if let Some(line) = line_with("Message").or_else(|| line_with(".cast(")) {
        return Ok(Some(format!(
            "src/server.rs still knows the messages of the producer:\n    {}\n\
             expected: it calls a function of the producer, `SqsProducer::enqueue`",
            line.trim()
        )));
    }
    Ok(match line_with("enqueue(") {
        Some(_) => None,
        None => Some("src/server.rs does not call `SqsProducer::enqueue`".to_owned()),
    })
}

fn no_event_is_lost_or_looked_for_twice(folder: &Path, _program: &Path) -> Result<Option<String>> {
    if let Some(line) = file(folder, "server.rs")?.iter().find(|line| line.contains(".abort()")) {
        return Ok(Some(format!(
            "src/server.rs aborts a loop, which can lose the events that the loop has just received:\n    {}\n\
             expected: it tells the loop to terminate, and the loop ends between two runs",
            line.trim()
        )));
    }
    let producer = file(folder, "producer.rs")?;
    let is_pulled = |line: &&String| line.contains(".pull(") && line.contains("pending");
    Ok(producer.iter().find(is_pulled).map(|line| {
        format!(
            "src/producer.rs tells the server to look for all that is pending, although a loop may have sent some of it:\n    \
             {}\nexpected: it tells the server the new demand, and each loop tells the next one what it has not found",
            line.trim()
        )
    }))
}

/// The lines of code of one of the learner's files.
fn file(folder: &Path, name: &str) -> Result<Vec<String>> {
    let mut code = code::in_folder(&folder.join("src"))?;
    let lines = code.remove(name).with_context(|| format!("there is no src/{name}"))?;
    Ok(lines.into_iter().map(|line| line.text).collect())
}

/// The lines that a step prints, at most, from the last file that it shows to the last message that it deletes. Each
/// run of its loop prints one, and takes a second here.
const LINES_TO_THE_END: usize = 15;

fn no_message_is_left(_folder: &Path, program: &Path) -> Result<Option<String>> {
    let runtime = shared::runtime()?;
    let local = runtime.block_on(LocalAws::start(0, "queue"))?;
    runtime.block_on(local.fill(&[]))?;
    let queue = &local.aws().queue;
    // Hidden messages count too.
    let count = async || {
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        let request = queue.client.get_queue_attributes().queue_url(&queue.url);
        let names = names.map(Into::into).to_vec();
        let answer = request.set_attribute_names(Some(names)).send().await?;
        let counts = answer.attributes.unwrap_or_default().into_values();
        anyhow::Ok(counts.filter_map(|count| count.parse::<usize>().ok()).sum::<usize>())
    };
    let sent = runtime.block_on(count())?;

    let mut step = Command::new(program)
        .args(["--visibility-timeout", "6", "--wait", "1"])
        .env("AWS_ENDPOINT_URL", local.endpoint_url())
        .env("SQS_QUEUE_URL", &queue.url)
        .envs([("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", ACCESS_KEY)])
        .env("AWS_REGION", REGION)
        .env_remove("PALLETO_CLOCK")
        .env_remove("LOG_FORMAT")
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .spawn()
        .map(Running)?;
    let output = step.0.stdout.take().context("its output is piped")?;
    let (mut shown, mut after) = (BTreeSet::new(), 0);
    for line in lines_of(output, Patience::REAL) {
        let line = match line {
            Ok(line) => line,
            Err(why) => {
                return Ok(Some(format!("its output stops before the last message: {why}")));
            }
        };
        let files = line.split_once("Consumed").map_or("", |(_, rest)| rest);
        for file in files.split(", ").filter_map(|file| file.rsplit(": ").next()) {
            if file.contains('/') && !shown.insert(file.to_owned()) {
                return Ok(Some(format!(
                    "{file} is shown a second time, because its message came back\n\
                     expected: a message is deleted when its file has been shown"
                )));
            }
        }
        // One message tells of no file.
        if shown.len() + 1 < sent {
            continue;
        }
        let left = runtime.block_on(count())?;
        after += 1;
        if left == 0 {
            return Ok(None);
        }
        if after > LINES_TO_THE_END {
            return Ok(Some(format!(
                "all files are shown, and {left} messages are still in the queue\n\
                 expected: a message is deleted when its file has been shown"
            )));
        }
    }
    Ok(Some(format!("it ended, and had shown {} of {} files", shown.len(), sent - 1)))
}

/// A program that is ended when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::steps;

    #[test]
    fn step_5_with_an_aborted_loop_or_with_a_loop_that_looks_for_all_that_is_pending_does_not_pass()
    {
        let step = steps::all().unwrap().remove(4);
        let wrong = |file: &str, from: &str, to: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("src")).unwrap();
            for name in ["server.rs", "producer.rs"] {
                let code = fs::read_to_string(step.folder().join("src").join(name)).unwrap();
                let code = if name == file { code.replace(from, to) } else { code };
                fs::write(folder.path().join("src").join(name), code).unwrap();
            }
            (of(&step).unwrap().check)(folder.path(), Path::new("")).unwrap()
        };
        assert_eq!(wrong("", "", ""), None);
        let aborts = wrong("server.rs", "terminate.cancel()", "task.abort()").unwrap();
        assert!(aborts.contains("\n    task.abort();\n"), "{aborts}");
        let pending = wrong("producer.rs", "pull(demand", "pull(self.pending").unwrap();
        assert!(pending.contains("\n    self.server.pull(self.pending, &self.me);\n"), "{pending}");
    }
}
