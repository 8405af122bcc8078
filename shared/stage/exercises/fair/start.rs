//! A doctor with two waiting rooms.

use stage::{Consumer, ConsumerHandle, InvalidDemand, Producer, ProducerHandle, SubscribeOptions};

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
    for room in rooms {
        doctor.subscribe(room, SubscribeOptions::default())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
