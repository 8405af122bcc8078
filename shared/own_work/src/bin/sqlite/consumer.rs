//! Files in, rows out: CSV files of temperatures go into an SQLite database.

use std::env;
use std::time::Duration;

use csv_async::AsyncDeserializer;
use futures_util::StreamExt;
use rusqlite::{Connection, TransactionBehavior};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::job::{Contents, Failure, Job, S3Object};
use shared::stage::{self, Consumer, ConsumerHandle};
use tokio::task::spawn_blocking;
use tracing::info;

use crate::producer_consumer::{File, settle};
use crate::server::Event;

pub struct SqsConsumer {
    name: String,
    job: Job,
}

impl SqsConsumer {
    pub fn start(name: &str, job: &Job) -> ConsumerHandle<Self> {
        stage::named(name).start_consumer(Self { name: name.into(), job: job.clone() })
    }

    /// Adds the rows of a CSV file to the database: all of them or none, and once.
    async fn process(&self, object: &S3Object, contents: &mut Contents) -> Result<Value, Failure> {
        let S3Object { bucket, key, version_id, .. } = object;
        // Without versions, the ETag says which content the key has.
        let version = version_id.as_deref().or(contents.etag()).unwrap_or_default();
        let file = [bucket, key, version].map(str::to_owned);

        let mut database = blocking(open).await?;
        let mut row_count = 0;
        let mut reader = AsyncDeserializer::from_reader(&mut *contents);
        let mut batches = reader.deserialize::<Row>().chunks(1000);
        while let Some(batch) = batches.next().await {
            // A row that does not parse now will not parse later.
            let rows = batch.into_iter().collect::<Result<Vec<_>, _>>();
            let rows = rows.map_err(Failure::permanent)?;
            row_count += rows.len();
            database = blocking(move || insert(database, &rows)).await?;
        }
        // Last, because it cannot be undone: if anything above fails or is dropped, nothing has changed.
        blocking(move || commit(database, file)).await?;
        Ok(json!({ "row_count": row_count }))
    }

    async fn work_on(&self, event: &Event, contents: &mut Contents) -> Result<(), Failure> {
        let outcome = self.process(&event.object, contents).await?;
        self.job.results.write(&event.object, contents, &outcome).await?;
        info!(key = event.object.key, "{} processed {}", self.name, event.object.key);
        Ok(())
    }
}

impl Consumer for SqsConsumer {
    type Event = File;

    async fn handle_events(&mut self, files: Vec<File>) {
        for (event, mut contents) in files {
            let result = event.hold(self.work_on(&event, &mut contents)).await;
            settle(event, contents.cause_of(result)).await;
        }
    }
}

#[derive(Deserialize)]
struct Row {
    station: String,
    time: String,
    celsius: f64,
}

/// Runs on a thread of its own, because SQLite waits for the disk, and other tasks would wait with it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    Ok(spawn_blocking(work).await??)
}

fn open() -> rusqlite::Result<Connection> {
    let database = Connection::open(env::var("DATABASE").as_deref().unwrap_or("readings.sqlite"))?;
    // How long it waits while another connection commits.
    database.busy_timeout(Duration::from_mins(1))?;
    database.execute_batch(
        "CREATE TABLE IF NOT EXISTS file (
            id INTEGER PRIMARY KEY,
            bucket TEXT NOT NULL, key TEXT NOT NULL, version TEXT NOT NULL,
            UNIQUE (bucket, key, version));
        CREATE TABLE IF NOT EXISTS reading (
            file_id INTEGER NOT NULL REFERENCES file,
            station TEXT NOT NULL, time TEXT NOT NULL, celsius REAL NOT NULL);
        CREATE TEMP TABLE staged (station, time, celsius);",
    )?;
    Ok(database)
}

/// Puts rows where only this connection sees them, so that other connections can commit meanwhile. SQLite deletes
/// the rows when the connection is dropped.
fn insert(mut database: Connection, rows: &[Row]) -> rusqlite::Result<Connection> {
    let transaction = database.transaction()?;
    let mut insert = transaction.prepare("INSERT INTO staged VALUES (?1, ?2, ?3)")?;
    for Row { station, time, celsius } in rows {
        insert.execute((station, time, celsius))?;
    }
    drop(insert);
    transaction.commit()?;
    Ok(database)
}

/// Copies the staged rows, unless another run has added this version of the file.
fn commit(mut database: Connection, file: [String; 3]) -> rusqlite::Result<()> {
    let transaction = database.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let insert =
        "INSERT INTO file (bucket, key, version) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    if transaction.execute(insert, file)? == 1 {
        let id = transaction.last_insert_rowid();
        let copy = "INSERT INTO reading SELECT ?1, station, time, celsius FROM staged";
        transaction.execute(copy, [id])?;
    }
    transaction.commit()
}
