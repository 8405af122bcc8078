//! A doctor with two waiting rooms.

use stage::{
    CancelMode, Consumer, ConsumerHandle, InvalidDemand, Producer, ProducerHandle, SubscribeOptions,
};

/// A patient in one of the two waiting rooms.
pub struct Patient {
    /// The name of the room.
    pub room: &'static str,
}

/// Lets `doctor` ask for patients of both rooms.
///
/// # Errors
///
/// If the demand makes no sense.
pub fn open<Doctor, Room>(
    doctor: &ConsumerHandle<Doctor>,
    rooms: &[ProducerHandle<Room>; 2],
) -> Result<(), InvalidDemand>
where
    Doctor: Consumer<Event = Patient>,
    Room: Producer<Event = Patient>,
{
    // One patient at a time, so that the rooms take turns; and a room that is closed is not the end.
    let options = SubscribeOptions::default().max_demand(1).cancel(CancelMode::Transient);
    for room in rooms {
        doctor.subscribe(room, options)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
