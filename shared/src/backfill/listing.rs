//! The producer: objects that S3 lists, page by page, as they are asked for.

use std::collections::VecDeque;

use stage::{Producer, ProducerHandle};

use super::Listed;
use super::pages::{Page, Pages};
use super::progress::Progress;

/// Has objects, and a page of them at most.
pub(super) struct Listing {
    /// A handle of this stage: a page is cast to it, because a producer does not wait.
    me: ProducerHandle<Self>,
    /// Listed, and not asked for yet.
    listed: VecDeque<Listed>,
    /// How many objects were asked for and not emitted yet.
    owed: usize,
    rest: Rest,
    progress: Progress,
}

/// The pages that are not listed yet.
enum Rest {
    Unlisted(Box<Pages>),
    /// S3 is asked for the next one.
    OnTheWay,
    Nothing,
}

/// The answer of S3.
pub(super) type Answer = Result<(Page, Option<Pages>), String>;

impl Listing {
    pub(super) fn start(pages: Pages, progress: &Progress) -> ProducerHandle<Self> {
        stage::named("Listing").start_producer(|me| Self {
            me: me.clone(),
            listed: VecDeque::new(),
            owed: 0,
            rest: Rest::Unlisted(pages.into()),
            progress: progress.clone(),
        })
    }

    /// Emits listed objects up to the demand. Asks S3 for the next page only if they are too few.
    fn emit(&mut self) -> Vec<Listed> {
        let count = self.owed.min(self.listed.len());
        self.owed -= count;
        if self.owed > 0 {
            self.look_further();
        }
        self.listed.drain(..count).collect()
    }

    fn look_further(&mut self) {
        match std::mem::replace(&mut self.rest, Rest::OnTheWay) {
            Rest::Unlisted(pages) => {
                let me = self.me.clone();
                self.me.spawn(async move { me.cast(pages.next().await) });
            }
            Rest::OnTheWay => {}
            Rest::Nothing => {
                self.rest = Rest::Nothing;
                self.me.stop();
            }
        }
    }
}

impl Producer for Listing {
    type Event = Listed;
    type Cast = Answer;

    async fn handle_demand(&mut self, demand: usize) -> Vec<Listed> {
        self.owed += demand;
        self.emit()
    }

    async fn handle_cast(&mut self, answer: Answer) -> Vec<Listed> {
        // It can have been told to stop meanwhile.
        if !matches!(self.rest, Rest::OnTheWay) {
            return Vec::new();
        }
        let (page, rest) = answer.unwrap_or_else(|reason| {
            self.progress.fail(reason);
            (Page::default(), None)
        });
        self.rest = rest.map_or(Rest::Nothing, |pages| Rest::Unlisted(pages.into()));
        self.progress.leave_out(&page.left_out);
        self.listed.extend(page.objects);
        self.emit()
    }

    /// Nothing is lost: another run lists it again.
    async fn prepare_for_draining(&mut self) -> Vec<Listed> {
        self.rest = Rest::Nothing;
        self.listed.clear();
        Vec::new()
    }
}
