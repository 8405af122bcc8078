//! What a transcript does not show.
//!
//! Step 3 differs from step 2 by a word, and step 7 prints what step 6 prints.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use shared::local_aws::{ACCESS_KEY, LocalAws, REGION};

use crate::code;
use crate::steps::Step;

/// What else a step must do.
pub struct Criterion {
    /// The criterion, as the task says it.
    pub task: &'static str,
    /// Returns what is wrong with the code in this folder, of which this is the program.
    pub check: fn(&Path, &Path) -> Result<Option<String>>,
}

/// Returns what the transcript of a step does not show.
pub fn of(step: &Step) -> Option<Criterion> {
    match step.number {
        3 => Some(Criterion {
            task: "The server calls a function of the producer, `SqsProducer::enqueue`, and does not name the \
                   producer's messages. `--check` looks for that in `src/server.rs`, because the transcript cannot show it.",
            check: the_server_calls_enqueue,
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
    let code = code::in_folder(&folder.join("src"))?;
    let server = code.get("server.rs").context("there is no src/server.rs")?;
    let line_with =
        |text: &str| server.iter().find(|line| line.text.contains(text)).map(|line| &line.text);
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
    for line in BufReader::new(output).lines().map_while(Result::ok) {
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
