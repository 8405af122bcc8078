//! Makes SQS and S3 as far away as a network does.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How many pieces may be under way in one direction of a connection: 64 MiB, so that no bandwidth is missing.
const UNDER_WAY: usize = 1024;
const PIECE: usize = 64 * 1024;

/// Returns a URL for the server at `url`. Over it, every byte takes half of `round_trip` in both directions. A new
/// connection takes no time.
pub async fn put_between(url: &str, round_trip: Duration) -> io::Result<String> {
    let server = url.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let far = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(server) = TcpStream::connect(&server).await else { continue };
            for stream in [&client, &server] {
                let _ = stream.set_nodelay(true); // Without it, this is slower than the network it stands for.
            }
            let (from_client, to_client) = client.into_split();
            let (from_server, to_server) = server.into_split();
            carry(from_client, to_server, round_trip / 2);
            carry(from_server, to_client, round_trip / 2);
        }
    });
    Ok(far)
}

/// Each piece arrives when `delay` has passed since it was sent. Those after it are sent meanwhile.
fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (send, mut pieces) = mpsc::channel(UNDER_WAY);
    tokio::spawn(async move {
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            match from.read_buf(&mut piece).await {
                Ok(count) if count > 0 => {}
                _ => return,
            }
            if send.send((Instant::now() + delay, piece)).await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((arrives, piece)) = pieces.recv().await {
            sleep_until(arrives).await;
            if to.write_all(&piece).await.is_err() {
                return;
            }
        }
    });
}
