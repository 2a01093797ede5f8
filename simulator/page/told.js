// The way that a device tells in words after an outage, read back into places. Pure, and tolerant: it reads what looks like a dated
// place and leaves the rest as words. Nothing here is believed to be where the device is now.

// Time, perhaps with its day, perhaps by a clock that was not set (~); then a place, perhaps doubtful (?), with what it is good for.
const PLACE = String.raw`(-?\d{1,2}\.\d+), ?(-?\d{1,3}\.\d+)(\?)?`;
const WITHIN = String.raw`(?: \(within (\d+) m\)| within (\d+) m)?`;
const DATED = new RegExp(
  String.raw`(?:\b(\d{4}-\d\d-\d\d) )?(~)?(\d\d:\d\d:\d\d|\?\?:\?\?:\?\?)(?: UTC)?(?: the device was at)? ${PLACE}${WITHIN}|(\d{4}-\d\d-\d\d) |\((no position for [^)]*|clock set|short stretches not told)\)`,
  "g",
);
const STOOD = new RegExp(String.raw`from (?:(\d{4}-\d\d-\d\d) )?~?(\d\d:\d\d:\d\d) for ([\w ]{1,20}?) at ${PLACE}`, "g");
const STOOD_ALL = new RegExp(String.raw`[Ss]tood (?:for the ([\w ]{1,20}?) )?(?:before the press[\w :-]{0,60}?)?at ${PLACE}`);
const ALONE = new RegExp(String.raw`device (?:was|of this customer is not near: it is) at ${PLACE}`);
const PART = /\bpart (\d+) of (\d+)\b/;
const DAY_MS = 86_400_000;
const EARLIEST_MS = Date.UTC(2000); // a clock from before it was never set: its times order the places and no more
const MOST_PLACES = 2_000; // of one message: it may have been made to hurt

function valid(latitude, longitude) {
  return Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
}

// Without a day it is that of the message, or the day before where it would lie ahead of it.
function moment(day, clock, received) {
  const at = Date.parse(`${day ?? received.slice(0, 10)}T${clock}Z`);
  if (Number.isNaN(at)) return null;
  return !day && at > Date.parse(received) + 60_000 ? at - DAY_MS : at;
}

function dated({ text, received }) {
  const places = [];
  let day = null;
  let broken = null;
  for (const found of text.matchAll(DATED)) {
    const [, ownDay, unset, clock, north, east, doubt, inBrackets, plain, bareDay, gap] = found;
    day = ownDay ?? bareDay ?? day;
    if (gap) broken = gap;
    if (clock === undefined || !valid(+north, +east) || places.length >= MOST_PLACES) continue;
    const at = moment(day, clock, received);
    const accuracy = inBrackets ?? plain;
    places.push({
      latitude: +north, longitude: +east, at: at !== null && at >= EARLIEST_MS ? at : null, accuracy: accuracy === undefined ? null : +accuracy,
      doubtful: Boolean(doubt), unset: Boolean(unset), broken,
    });
    broken = null;
  }
  return places;
}

function stood({ text, received }) {
  const first = text.match(/\d{4}-\d\d-\d\d/)?.[0] ?? null;
  const stops = [];
  for (const [, day, clock, length, north, east] of text.matchAll(STOOD)) {
    if (valid(+north, +east) && stops.length < 50) stops.push({ latitude: +north, longitude: +east, at: moment(day ?? first, clock, received), length });
  }
  const whole = stops.length ? null : text.match(STOOD_ALL);
  if (whole && valid(+whole[2], +whole[3])) stops.push({ latitude: +whole[2], longitude: +whole[3], at: null, length: whole[1] ?? "all the time" });
  return stops;
}

function alone({ text }) {
  const found = text.match(ALONE);
  return found && valid(+found[1], +found[2]) ? [{ latitude: +found[1], longitude: +found[2], at: null, length: null }] : [];
}

// What one message tells: dated places in order, and places where it stood (length: for how long, null untold).
export function readTold(event) {
  const places = dated(event);
  const stops = stood(event);
  const part = event.text.match(PART);
  return { places, stops: places.length || stops.length ? stops : alone(event), part: part ? [+part[1], +part[2]] : null };
}

// Everything that the messages of a callout tell: lines of places (joined where one message goes on where the last ended) and stops.
export class ToldTrail {
  constructor() {
    this.lines = [];
    this.stops = [];
    this.count = 0;
    this.part = null;
    this.line = null;
  }

  // Takes one more event of the callout. What dispatch says itself is no trail. Whether it told anything.
  hear(event) {
    if (event.kind === "lifecycle" || event.source === "dispatch") return false;
    const { places, stops, part } = readTold(event);
    this.stops.push(...stops);
    this.count += places.length + stops.length;
    const goesOn = part && this.part && part[0] === this.part[0] + 1 && part[1] === this.part[1];
    if (!goesOn) this.line = null;
    this.part = part;
    for (const place of places) {
      if (!this.line || place.broken) this.lines.push((this.line = []));
      this.line.push(place);
    }
    return places.length + stops.length > 0;
  }

  get places() {
    return this.lines.flat();
  }
}
