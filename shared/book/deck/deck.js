// The deck: one slide at a time, the keys of a presenter remote, and the speaker's window.
//
// The speaker's window is the same file with #notes at the end of its address. The two find each other through
// `window.opener`, because that works for files, too.
"use strict";

const all = (selector, from) => Array.from((from ?? document).querySelectorAll(selector));
const one = (selector, from) => (from ?? document).querySelector(selector);
const isForTheSpeaker = location.hash === "#notes";
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const slides = all("#deck > .slide");
const articles = all("#notes > article");

slides.forEach((slide, index) => slide.style.setProperty("--progress", index / (slides.length - 1)));

// What a slide does before the next one comes: a recording plays up to its next mark, a picture that is too high moves up.
function stepsOf(slide) {
    const recording = one("figure.cast", slide);
    if (recording) return recording.player ??= new Cast(recording);
    const frame = one("figure.window, figure.stages:has(script)", slide);
    return frame && (frame.moving ??= new Moving(frame));
}

// A picture that plays. One of time moves to the left and then up until all of it was seen. Once it is told to play, the keys that turn the slides go from event
// to event while it is paused, and turn the slide again while it plays, at its end, or before its beginning.
class Moving {
    constructor(frame) {
        this.frame = frame;
        const heads = one(".heads", frame.parentElement);
        frame.addEventListener("scroll", () => { if (heads) heads.scrollLeft = frame.scrollLeft; });
        this.player = player(frame, { isOnSlide: true });
        this.leave();
    }
    // How far it can move, to the left and up.
    get most() {
        const { scrollWidth, clientWidth, scrollHeight, clientHeight } = this.frame;
        return { left: scrollWidth - clientWidth, top: scrollHeight - clientHeight };
    }
    // Whether there was something left to do.
    next() {
        if (this.player.row !== null) {
            if (this.player.isPlaying || this.player.isAtEnd) return this.leave();
            this.player.next();
            return true;
        }
        const { at, most } = this;
        if (at.left < most.left - 1) at.left = most.left;
        else if (at.top < most.top - 1) at.top = Math.min(at.top + 0.7 * this.frame.clientHeight, most.top);
        else return false;
        this.frame.scrollTo({ ...at, behavior: calm.matches ? "instant" : "smooth" });
        return true;
    }
    previous() {
        if (this.player.row === null) return false;
        if (this.player.isPlaying) return this.leave();
        if (this.player.row === 0) this.leave();
        else this.player.previous();
        return true;
    }
    play() {
        this.player.toggle();
    }
    leave() {
        this.player.leave();
        // It begins with the server. If it is too wide, the next key shows the consumers.
        this.at = { left: 0, top: 0 };
        this.frame.scrollTo({ ...this.at, behavior: "instant" });
        return false;
    }
}

// ---- The window with the slides.

const state = { slide: 0, isShort: false, start: null, isDark: false, isFramed: false };
let steps = null;
let speaker = null;

const isLeftOut = slide => state.isShort && slide.classList.contains("if-there-is-time")
    && isCut(articles[slide.dataset.part]);
const isCut = article => article.dataset.minutesIfShort !== article.dataset.minutes;

function show(index) {
    steps?.leave();
    slides[state.slide].classList.remove("is-shown");
    state.slide = Math.max(0, Math.min(slides.length - 1, index));
    const slide = slides[state.slide];
    slide.classList.add("is-shown");
    steps = stepsOf(slide);
    steps?.enter?.();
    // A reload comes back to this slide. Some browsers do not allow that for files.
    try { history.replaceState(null, "", `#${state.slide + 1}`); } catch {}
    one("#where").textContent = `Slide ${state.slide + 1} of ${slides.length}`;
    tell();
}

function turn(by) {
    let index = state.slide + by;
    while (slides[index] && isLeftOut(slides[index])) index += by;
    if (slides[index]) show(index);
}

function next() {
    if (state.isDark) return dark(false);
    if (state.start === null && state.slide === 0) state.start = Date.now();
    if (!steps?.next()) turn(1);
    tell();
}

function dark(is) {
    state.isDark = is;
    one("#curtain").hidden = !is;
    tell();
}

// The clock starts when this part does, by the plan.
function startHere() {
    const part = Number(slides[state.slide].dataset.part);
    state.start = Date.now() - 1000 * 60 * planned(part);
    tell();
}

const commands = {
    next,
    previous: () => steps?.previous?.() || turn(-1),
    play: () => state.isDark ? dark(false) : steps?.play?.(),
    first: () => show(0),
    last: () => show(slides.length - 1),
    dark: () => dark(!state.isDark),
    frame: () => {
        state.isFramed = !state.isFramed;
        one("#frame").hidden = !state.isFramed;
    },
    short: () => { state.isShort = !state.isShort; tell(); },
    clock: startHere,
    start: () => { show(0); document.documentElement.requestFullscreen?.().catch(() => {}); },
    end: () => steps?.player?.row != null ? steps.leave() : document.fullscreenElement && document.exitFullscreen(),
    full: () => document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen?.().catch(() => {}),
    speaker: () => { speaker = window.open(location.href.split("#")[0] + "#notes", "notes", "popup,width=1180,height=760"); },
};

// Remotes send Page Up and Page Down, F5 and Escape to start and end, and `.` or `b` for a dark screen. Here `.` plays the picture, and does
// nothing where none plays, because a speaker who wants to play a picture does not want a dark screen.
const keys = {
    ArrowRight: "next", ArrowDown: "next", PageDown: "next", " ": "next", Enter: "next",
    ArrowLeft: "previous", ArrowUp: "previous", PageUp: "previous", Backspace: "previous",
    Home: "first", End: "last", ".": "play", b: "dark", r: "frame", s: "short", t: "clock",
    F5: "start", Escape: "end", f: "full", n: "speaker",
};

addEventListener("keydown", event => {
    const command = keys[event.key];
    if (!command || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (isForTheSpeaker) opener?.postMessage({ command }, "*");
    else commands[command]();
});

function tell() {
    speaker?.postMessage({ state, of: slides.length }, "*");
}

function fit() {
    const scale = Math.min(innerWidth / 1280, innerHeight / 720);
    one("#deck").style.transform = `scale(${scale}) translate(-50%, -50%)`;
}

// ---- The speaker's window.

// When a part begins by the plan, in minutes. Without a number of a part, when the talk ends.
function planned(part, isShort = state.isShort) {
    const minutes = article => Number(isShort ? article.dataset.minutesIfShort : article.dataset.minutes);
    return articles.slice(0, part).reduce((sum, article) => sum + minutes(article), 0);
}

const clock = seconds => {
    const [sign, all] = seconds < 0 ? ["−", Math.ceil(-seconds)] : ["", Math.floor(seconds)];
    return `${sign}${Math.floor(all / 60)}:${String(all % 60).padStart(2, "0")}`;
};

function preview(place, slide) {
    const box = one(`${place} div`);
    box.replaceChildren();
    if (!slide) return;
    const copy = slide.cloneNode(true);
    copy.style.transform = `scale(${box.clientWidth / 1280})`;
    box.append(copy);
    // Of a recording, what it stops at first.
    const recording = one("figure.cast", copy);
    if (!recording) return;
    all(".screen", recording).forEach(screen => screen.remove());
    const cast = new Cast(recording);
    while (!cast.isOver && !cast.step());
    cast.draw();
}

function showNotes(now) {
    Object.assign(state, now);
    const slide = slides[state.slide];
    preview("#now", slide);
    preview("#next", slides.slice(state.slide + 1).find(slide => !isLeftOut(slide)));
    articles.forEach((article, part) => { article.hidden = part !== Number(slide.dataset.part); });
    all("#notes li").forEach(item => item.classList.remove("is-now"));
    const item = slide.dataset.item && one(`article:not([hidden]) li[data-item="${slide.dataset.item}"]`, one("#notes"));
    item?.classList.add("is-now");
    item?.scrollIntoView({ block: "nearest" });
    tick();
}

function tick() {
    const slide = slides[state.slide];
    const part = Number(slide.dataset.part);
    const now = new Date();
    one("#time-of-day").textContent = now.toTimeString().slice(0, 5);
    const elapsed = state.start === null ? 0 : (now - state.start) / 1000;
    const left = 60 * planned(part + 1) - elapsed;
    one("#elapsed").textContent = `${clock(elapsed)} of ${planned()}:00`;
    one("#left").textContent = clock(left);
    one("#left").classList.toggle("is-late", left < 0);
    const begun = 60 * planned(part) - elapsed;
    one("#ahead").textContent = begun > 0 ? clock(begun) : left < 0 ? clock(left) : "on time";
    one("#ahead").classList.toggle("is-late", left < 0);
}

// ---- Begin.

if (isForTheSpeaker) {
    document.title = "Notes: " + document.title;
    document.body.classList.add("is-for-the-speaker");
    one("#speaker").hidden = false;
    addEventListener("message", event => event.source === opener && event.data.state && showNotes(event.data.state));
    showNotes({});
    setInterval(tick, 500);
    opener?.postMessage({ command: "hello" }, "*");
} else {
    addEventListener("message", event => {
        if (event.data?.command === "hello") { speaker = event.source; tell(); }
        else if (event.source === speaker && event.data?.command in commands) commands[event.data.command]();
    });
    addEventListener("resize", fit);
    one("#deck").addEventListener("click", event => event.target.closest("button, a") || next());
    fit();
    show((parseInt(location.hash.slice(1)) || 1) - 1);
}
