// Plays the recording of a run: `player(figure)` makes a player of a <figure> that holds the run's picture of time, an SVG, and
// its recording, JSON in a <script class="recording">, which may be in another <figure>. Another <script class="what-if"> may have more of both, of the same run with
// other numbers. The recording says what happens in each row of the picture, and what the log says then.
// Nothing here knows how stages work: what is shown is what the recording says.
"use strict";

const player = (() => {
    const { SPEEDS, ICONS, make, seconds, mix, makeBar, makeCards, makeLog, makePicture, makeWhatIf, unpack } = playerParts;
    // Presenter remotes send Page Up, Page Down and a full stop.
    const KEYS = {
        " ": "toggle", ".": "toggle", ArrowRight: "next", ArrowDown: "next", PageDown: "next",
        ArrowLeft: "previous", ArrowUp: "previous", PageUp: "previous", Home: "first", End: "last",
        "+": "faster", "-": "slower", Escape: "leave",
    };
    const calm = matchMedia("(prefers-reduced-motion: reduce)");

    // On a slide, the deck turns the keys into calls, and the picture moves in its frame instead of the page.
    return (figure, { isOnSlide = false, recorded = figure } = {}) => {
        const box = make("div", "player");
        figure.before(box);
        const panel = make("div", "player-panel");
        const more = make("div", "player-more");
        const spoken = make("p", "player-spoken");
        box.append(figure, panel);
        if (!isOnSlide) {
            figure.tabIndex = 0;
        }

        // The position: a row, and the part of the way to the next one. None at first: the whole picture is shown.
        let [position, playing, before, speed] = [null, false, 0, 1];
        let recording, picture, cards, log;
        const last = () => recording.rows.length - 1;
        const row = () => Math.min(Math.floor(position ?? 0), last());

        // How long a row is lit, and how long the way to the next one takes, in milliseconds at speed 1.
        const hold = row => 500 + 400 * recording.rows[row].arrows.length;
        const gap = row => (recording.rows[row + 1]?.at ?? recording.rows[row].at) - recording.rows[row].at;
        const glide = row => gap(row) === 0 ? 200 : 250 + 8 * Math.min(gap(row), 100);

        const intoView = () => {
            const lit = picture.lit();
            const all = Array.from(lit.length ? lit : [picture.band], it => it.getBoundingClientRect());
            const motion = calm.matches ? "instant" : "smooth";
            const frame = figure.getBoundingClientRect();
            const here = picture.band.getBoundingClientRect();
            // A slide is larger or smaller than its pixels.
            const scale = frame.width / figure.offsetWidth;
            const isWide = figure.scrollWidth > figure.clientWidth + 1 && lit.length;
            const [left, right] = [Math.min(...all.map(it => it.left)), Math.max(...all.map(it => it.right))];
            figure.scrollBy({
                left: isWide ? (left + right - frame.left - frame.right) / 2 / scale : 0,
                top: isOnSlide ? (here.top + here.bottom - frame.top - frame.bottom) / 2 / scale : 0,
                behavior: motion,
            });
            if (isOnSlide || picture.isOfStages) {
                return;
            }
            const [top, bottom] = [70, Math.min(innerHeight, controls.bar.getBoundingClientRect().top) - 30];
            const by = here.bottom > bottom ? here.bottom - bottom + (bottom - top) / 3 : here.top < top ? here.top - top - 60 : 0;
            if (by !== 0) {
                scrollBy({ top: by, behavior: motion });
            }
        };
        let shown = null;
        const show = () => {
            box.classList.toggle("is-idle", position === null);
            box.classList.toggle("is-playing", playing);
            controls.play.querySelector("path").setAttribute("d", ICONS[playing ? "pause" : "play"]);
            controls.play.title = playing ? "Pause (Space)" : "Play (Space)";
            controls.play.setAttribute("aria-label", controls.play.title);
            controls.range.value = position ?? 0;
            if (position === null) {
                picture.hide();
                [shown, controls.clock.value, spoken.textContent] = [null, "", ""];
                return;
            }
            const now = row();
            const way = (position - now) * (hold(now) + glide(now));
            const part = calm.matches ? 0 : Math.max(0, way - hold(now)) / glide(now);
            const at = mix(recording.rows[now].at, recording.rows[now].at + gap(now), part);
            picture.show(now, part * part * (3 - 2 * part), way < hold(now) || gap(now) === 0, calm.matches ? 0 : way / hold(now));
            controls.clock.value = seconds(at);
            if (shown !== now) {
                shown = now;
                cards.show(recording.rows[now]);
                log.show(now);
                const words = `${seconds(recording.rows[now].at)}: ${recording.rows[now].words}`;
                controls.range.setAttribute("aria-valuetext", words);
                spoken.textContent = playing ? "" : words;
                intoView();
            }
        };

        const tick = now => {
            if (!playing) {
                return;
            }
            let left = Math.min(now - before, 250) * speed;
            before = now;
            while (left > 0 && row() < last()) {
                const whole = hold(row()) + glide(row());
                const step = Math.min(left, whole * (row() + 1 - position));
                position = Math.min(position + step / whole, last());
                left -= Math.max(step, 1e-6);
                if (row() + 1 - position < 1e-9) {
                    position = row() + 1;
                }
            }
            playing = row() < last();
            show();
            requestAnimationFrame(tick);
        };
        const go = to => {
            playing = false;
            position = Math.max(0, Math.min(to, last()));
            show();
        };
        const on = {
            play: () => {
                if (!playing) {
                    position = position === null || row() === last() ? 0 : position;
                    [playing, before] = [true, performance.now()];
                    show();
                    requestAnimationFrame(tick);
                }
            },
            pause: () => {
                playing = false;
                show();
            },
            toggle: () => playing ? on.pause() : on.play(),
            next: () => go(position === null ? 0 : row() + 1),
            previous: () => go(position === null ? last() : position > row() ? row() : row() - 1),
            first: () => go(0),
            last: () => go(last()),
            scrub: go,
            setSpeed: to => {
                speed = to;
                controls.speed.value = to;
            },
            faster: () => on.setSpeed(SPEEDS[Math.min(SPEEDS.indexOf(speed) + 1, SPEEDS.length - 1)]),
            slower: () => on.setSpeed(SPEEDS[Math.max(SPEEDS.indexOf(speed) - 1, 0)]),
            leave: () => {
                [playing, position] = [false, null];
                show();
            },
        };
        const controls = makeBar(on);
        controls.speed.addEventListener("change", () => on.setSpeed(Number(controls.speed.value)));
        spoken.setAttribute("aria-live", "polite");
        panel.append(controls.bar, more, spoken);

        // Does what a key is for. Returns whether it is for anything here.
        const key = event => {
            const does = KEYS[event.key];
            const { target } = event;
            const isForTarget = target.closest?.("select")
                || target.closest?.("button") && event.key === " ";
            if (!does || isForTarget || event.ctrlKey || event.altKey || event.metaKey || does === "leave" && position === null) {
                return false;
            }
            on[does]();
            event.preventDefault();
            // mdBook has other plans with some of these.
            event.stopPropagation();
            return true;
        };
        if (!isOnSlide) {
            box.addEventListener("keydown", key);
        }

        // Shows this recording of this picture, from the beginning.
        const load = (svg, its) => {
            figure.querySelector("svg").replaceWith(svg);
            svg.querySelectorAll(".player-mark").forEach(it => it.remove());
            // The letters of another picture get no smaller than those of the first.
            figure.style.setProperty("--least-width", `${least * svg.viewBox.baseVal.width}px`);
            recording = its;
            picture = makePicture(svg, recording);
            [cards, log] = [makeCards(recording), makeLog(recording)];
            // A picture of the stages has the numbers itself.
            more.replaceChildren(...picture.isOfStages ? [log.log] : [cards.list, log.log]);
            controls.range.max = last();
            on.leave();
        };
        const read = name => JSON.parse(recorded.querySelector(`script.${name}`)?.textContent ?? "null");
        const original = [figure.querySelector("svg"), read("recording")];
        const least = parseFloat(figure.style.getPropertyValue("--least-width")) / original[0].viewBox.baseVal.width;
        load(...original);
        const packed = read("what-if");
        if (packed && recorded === figure) {
            unpack(packed).then(grid => panel.prepend(makeWhatIf(grid, original, load)));
        }
        return {
            ...on, go, key, load, element: box,
            // Shows the moment that is this many seconds after the first.
            seek: time => go(Math.max(0, recording.rows.findLastIndex(row => row.at <= time * 10))),
            get row() { return position === null ? null : row(); },
            get isPlaying() { return playing; },
            get isAtEnd() { return row() === last(); },
            get recording() { return recording; },
        };
    };
})();

for (const figure of document.querySelectorAll(".content figure.picture:has(> script.recording)")) {
    figure.player = player(figure);
    // The picture of the stages of the same lesson plays the same recording.
    const stages = document.getElementById(`${figure.player.recording.picture}-stages`)?.closest("figure");
    if (stages) {
        stages.player = player(stages, { recorded: figure });
    }
}
