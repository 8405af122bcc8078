//! The pictures of time: for each lesson, the stretch of a run that shows it.

use super::time::Scene;

const PRODUCER: (&str, &str) = ("SQS.Producer", "Producer");
const CONSUMER: (&str, &str) = ("SQS.Consumer", "Consumer");

/// The settings that most scenes share.
pub const SCENE: Scene = Scene {
    picture: "",
    program: "",
    title: "",
    lesson: "",
    arguments: &[],
    files: FILES,
    source: "Server’s loops",
    pulls: true,
    stages: &[],
    verb: "",
    until: 0,
    leave_out: None,
    second: 0,
    point: "",
    deletes: false,
    has_network: false,
};

/// In the order of the steps.
pub const SCENES: &[Scene] = &[
    Scene {
        picture: "step01",
        program: "step01_basic_pipeline",
        title: "Step 1: no event moves before it is asked for",
        lesson: "The consumer takes a second for ten events. Until it asks again, all others wait.",
        source: "Server",
        stages: &[PRODUCER, CONSUMER],
        until: 20,
        second: 56,
        ..SCENE
    },
    Scene {
        picture: "step02",
        program: "step02_async_server",
        title: "Step 2: demand now, events later",
        lesson: "The producer starts a task, and is free again. The events come as a message.",
        source: "Server’s tasks",
        stages: &[PRODUCER, CONSUMER],
        verb: "sends ",
        until: 20,
        second: 40,
        ..SCENE
    },
    Scene {
        picture: "step03",
        program: "step03_client_api",
        title: "Step 3: others call a function of the producer",
        lesson: "As in step 2, except that the task calls enqueue, and does not know the message that it sends.",
        source: "Server’s tasks",
        stages: &[PRODUCER, CONSUMER],
        verb: "enqueue ",
        until: 20,
        second: 40,
        ..SCENE
    },
    Scene {
        picture: "step04",
        program: "step04_simulate_waiting",
        title: "Step 4: a loop looks until it has found enough",
        lesson: "Five runs find nothing, the next ones two events each. The consumer has asked once, and \
                 asks again when it has its ten.",
        stages: &[PRODUCER, CONSUMER],
        until: 510,
        ..SCENE
    },
    Scene {
        picture: "step05",
        program: "step05_multiple_consumers",
        title: "Step 5: new demand adds to unmet demand",
        lesson: "Each ask starts a loop for all that is missing: 10, 20, 30. The first consumer has its ten \
                 at 86 seconds, the two others still lack two each: 4 + 10 are 14.",
        stages: &[
            PRODUCER,
            ("SQS.Consumer", "Consumer 1"),
            ("SQS.Consumer", "Consumer 2"),
            ("SQS.Consumer", "Consumer 3"),
        ],
        until: 910,
        leave_out: Some(400..=810),
        point: "4 + 10 = 14",
        ..SCENE
    },
    Scene {
        picture: "step06",
        program: "step06_process_messages",
        title: "Step 6: messages come back",
        has_network: true,
        lesson: "A receive waits 2 seconds for messages. A message that is not deleted is hidden for 10 seconds, \
                 and then comes again.",
        arguments: &["--visibility-timeout", "10", "hello.txt"],
        stages: &[PRODUCER, CONSUMER],
        until: 230,
        leave_out: Some(126..=190),
        ..SCENE
    },
    Scene {
        picture: "step07",
        program: "step07_release_messages",
        title: "Step 7: released, and gone",
        has_network: true,
        lesson: "As in step 6, except that the consumer releases each event that it has handled. It does not come again.",
        arguments: &["--visibility-timeout", "10", "hello.txt"],
        stages: &[PRODUCER, CONSUMER],
        until: 136,
        deletes: true,
        ..SCENE
    },
    Scene {
        picture: "step08",
        program: "step08_download_and_process",
        title: "Step 8: no more than there are hands for",
        has_network: true,
        lesson: "Each stage asks for one. While the consumer counts a file, the next event waits, and is not \
                 downloaded before the consumer asks.",
        arguments: &["--until-idle", "one.log", "two.log", "three.log", "four.log"],
        stages: &[PRODUCER, ("ProducerConsumer", "ProducerConsumer"), ("Consumer", "Consumer")],
        until: 70,
        second: 30,
        ..SCENE
    },
    Scene {
        picture: "step09",
        program: "step09_concurrent_processing",
        title: "Step 9: three pipelines at a time",
        has_network: true,
        lesson: "Each pipeline asks for one, and the server looks for as many as all of them lack. A loop that is \
                 terminated still hands on the events of its receive.",
        arguments: &[
            "--until-idle",
            "one.log",
            "two.log",
            "three.log",
            "four.log",
            "five.log",
            "six.log",
        ],
        stages: &[
            PRODUCER,
            ("Pipeline1 ProducerConsumer", "downloads"),
            ("Pipeline1 Consumer", "counts"),
            ("Pipeline2 ProducerConsumer", "downloads"),
            ("Pipeline2 Consumer", "counts"),
            ("Pipeline3 ProducerConsumer", "downloads"),
            ("Pipeline3 Consumer", "counts"),
        ],
        until: 37,
        second: 30,
        ..SCENE
    },
    Scene {
        picture: "scraper",
        program: "scraper",
        title: "Scraper: events without demand wait",
        lesson: "Five pages come, three are asked for, so two stay in the producer’s buffer. The next ask gets these \
                 two, and the producer hears of the one that is missing.",
        arguments: &["--seed", "1"],
        source: "scrape_pages",
        pulls: false,
        stages: &[("PageProducer", "PageProducer"), ("PageConsumer", "PageConsumer")],
        until: 200,
        ..SCENE
    },
];

/// The files for steps 6 to 9, and their sizes in KiB. Those of steps 8 and 9 are large enough for the consumer to get them
/// while they are being downloaded.
pub const FILES: &[(&str, usize)] = &[
    ("hello.txt", 1),
    ("one.log", 3 * 1024),
    ("two.log", 4 * 1024),
    ("three.log", 3 * 1024),
    ("four.log", 2 * 1024),
    ("five.log", 3 * 1024),
    ("six.log", 2 * 1024),
];
