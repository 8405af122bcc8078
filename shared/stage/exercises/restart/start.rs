//! A line in a workshop, which is to go on after a crash.

use stage::{
    Consumer, InvalidDemand, Producer, ProducerConsumer, ProducerHandle, SubscribeOptions,
    Supervisor,
};

/// Starts a line under this name: a cutter, which gets sheets, and a packer, which gets the pieces. The last two
/// arguments make a new cutter and a new packer.
pub fn start_line<Sheets, Cutter, Packer>(
    supervisor: &mut Supervisor,
    name: &'static str,
    sheets: &ProducerHandle<Sheets>,
    cutter: impl Fn() -> Cutter + Send + 'static,
    packer: impl Fn() -> Packer + Send + 'static,
) where
    Sheets: Producer,
    Cutter: ProducerConsumer<Input = Sheets::Event>,
    Packer: Consumer<Event = Cutter::Event>,
{
    let sheets = sheets.clone();
    let one_at_a_time = SubscribeOptions::default().max_demand(1);
    let packer = stage::named("Packer").start_consumer(packer());
    supervisor.start_group(name, move || {
        let cutter = stage::named("Cutter").start_producer_consumer(cutter());
        packer.subscribe(&cutter, one_at_a_time)?;
        cutter.subscribe(&sheets, one_at_a_time)?;
        Ok::<_, InvalidDemand>(vec![cutter.stage()])
    });
}

#[cfg(test)]
mod tests;
