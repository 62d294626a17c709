//! Sagas on a toy: a trip of a flight, a hotel and a museum ticket.

mod model;
mod rules;
mod running;
mod toy;
