//! What breaks and what becomes of it: the whole engine against the simulated venues, in one
//! process, with faults switched on while it trades.

mod by_hand;
mod desk;
mod ending;
mod feed;
mod feed_lines;
mod frames;
mod journal;
mod late;
mod lines;
mod markets;
mod news;
mod orders;
mod plug;
mod published;
mod rig;
mod stale;
mod stamps;
mod twins;
mod wild;
