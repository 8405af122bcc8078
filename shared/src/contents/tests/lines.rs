use super::super::MAX_LINE;
use super::*;

async fn lines(contents: &mut Contents) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    while let Some(line) = contents.next_line().await? {
        lines.push(line.into_owned());
    }
    Ok(lines)
}

async fn lines_of(file: &[u8]) -> Vec<String> {
    lines(&mut contents(file.into()).await).await.unwrap()
}

#[tokio::test]
async fn a_line_comes_without_its_end() {
    assert_eq!(lines_of(b"one\ntwo\n").await, ["one", "two"]);
    assert_eq!(lines_of(b"one\r\n\r\n\r\r\n").await, ["one", "", "\r"]);
    assert_eq!(lines_of(b"\n\none").await, ["", "", "one"]);
    assert_eq!(lines_of(b"one\r").await, ["one\r"]);
    assert_eq!(lines_of(b"").await, [""; 0]);
}

#[tokio::test]
async fn what_is_no_text_is_replaced() {
    assert_eq!(lines_of(b"a\xffb\n\xc3").await, ["a\u{fffd}b", "\u{fffd}"]);
    // One chunk ends with the first part of a character, and the next begins with the rest.
    let chunks = vec![Bytes::from_static(b"\xc3"), Bytes::from_static(b"\xa4\n")];
    assert_eq!(lines(&mut contents_of(chunks).await).await.unwrap(), ["ä"]);
}

#[tokio::test]
async fn a_carriage_return_and_its_newline_can_come_in_different_chunks() {
    let chunks = ["one\r", "\ntwo\r", "three", "\r\n"];
    let chunks = chunks.map(|chunk| Bytes::from_static(chunk.as_bytes()));
    let mut contents = contents_of(chunks.into()).await;
    assert_eq!(lines(&mut contents).await.unwrap(), ["one", "two\rthree"]);
}

#[tokio::test]
async fn a_line_is_as_long_as_the_limit_and_no_longer() {
    let longest = "x".repeat(MAX_LINE);
    for end in ["", "\n", "\r\n", "\nnext\n"] {
        let file = format!("first\n{longest}{end}");
        let lines = lines_of(&gzip(file.as_bytes())).await;
        assert!(lines[0] == "first" && lines[1] == longest, "{end:?}");
        let too_long = format!("first\n{longest}x{end}");
        let mut contents = contents(gzip(too_long.as_bytes())).await;
        assert_eq!(contents.next_line().await.unwrap().unwrap(), "first");
        let error = contents.next_line().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("1048576"), "{error}");
        assert!(contents.next_line().await.is_err(), "what follows is not taken for a line");
        assert!(is_about_the_file(&contents));
    }
}

#[tokio::test]
async fn a_line_of_many_mebibytes_does_not_fill_the_memory() {
    let mut contents = contents(vec![b'x'; 64 << 20]).await;
    assert!(contents.next_line().await.is_err());
    assert!(contents.line.capacity() <= 4 * MAX_LINE, "{} bytes", contents.line.capacity());
    assert!(contents.byte_size() < 2 << 20, "no more is read");
}

#[tokio::test]
async fn a_file_can_be_read_in_one_way_after_another() {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt};

    let mut contents = contents(gzip(b"name,size\na,1\nb,2\nc,3\n")).await;
    assert_eq!(contents.next_line().await.unwrap().unwrap(), "name,size");
    let mut two = [0; 2];
    contents.read_exact(&mut two).await.unwrap();
    assert_eq!(&two, b"a,");
    let mut line = String::new();
    contents.read_line(&mut line).await.unwrap();
    assert_eq!(line, "1\n");
    assert_eq!(contents.next().await.unwrap().unwrap(), b"b,2\nc,3\n");
    assert_eq!(contents.next().await.unwrap(), None);
    assert_eq!((contents.line_count(), contents.byte_size()), (4, 22));
}

/// `select!` in a loop drops futures like this.
#[tokio::test]
async fn a_line_whose_future_was_dropped_is_whole_the_next_time() {
    use futures_util::FutureExt;
    use tokio::sync::mpsc;
    use tokio_stream::StreamExt;

    let (sender, receiver) = mpsc::unbounded_channel();
    let body = tokio_stream::wrappers::UnboundedReceiverStream::new(receiver);
    let body = StreamBody::new(body.map(Ok::<_, io::Error>));
    // Fills the window, so that later bytes are not read ahead.
    let first = Bytes::from(vec![b'\n'; super::super::ahead::WINDOW]);
    let length = first.len();
    sender.send(Frame::data(first)).unwrap();
    let download = Download::of(ByteStream::from_body_1_x(body));
    let mut contents = Contents::unzip(download, Limits::default()).await;
    for _ in 0..length {
        assert_eq!(contents.next_line().await.unwrap().unwrap(), "");
    }
    sender.send(Frame::data("one ".into())).unwrap();
    assert!(contents.next_line().now_or_never().is_none());
    sender.send(Frame::data("line\n".into())).unwrap();
    assert_eq!(contents.next_line().await.unwrap().unwrap(), "one line");
}
