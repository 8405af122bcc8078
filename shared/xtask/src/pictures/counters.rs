//! How many events each stage is asked for, has asked for, and has, as the stages' traces tell it.

/// The numbers of one stage at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Its consumers have asked for them, and it has not sent them.
    pub demand: u32,
    /// They wait in its buffer, because no consumer has asked for them.
    pub buffer: u32,
    /// It has asked for them, and has not received them.
    pub asked: u32,
    /// It has received them, and has not handled them.
    pub holds: u32,
}

/// The numbers of all stages. A stage is named by its column.
#[derive(Clone, Debug)]
pub struct Counters(pub Vec<Count>);

impl Counters {
    pub fn of(stages: usize) -> Self {
        Self(vec![Count::default(); stages])
    }

    /// `by` asks `of` for events.
    pub fn ask(&mut self, by: usize, of: usize, count: u32) {
        self.0[by].asked += count;
        self.0[of].demand += count;
    }

    /// `by` sends events to `to`.
    pub fn send(&mut self, by: usize, to: usize, count: u32) {
        let less = |number: &mut u32| *number = number.saturating_sub(count);
        less(&mut self.0[by].demand);
        less(&mut self.0[to].asked);
        self.0[to].holds += count;
    }

    /// A stage has handled events.
    pub fn handled(&mut self, by: usize, count: u32) {
        self.0[by].holds = self.0[by].holds.saturating_sub(count);
    }
}
