// Plays recordings of the terminal (asciicast, version 2) in the book and in the deck. It stops at each mark.
"use strict";

class Cast {
    constructor(figure) {
        this.figure = figure;
        const [head, ...events] = figure.querySelector("script").textContent.trim().split("\n").map(line => JSON.parse(line));
        this.head = head;
        // Waits are shortened, and what comes at once comes line by line, so that it can be followed.
        let before = 0, at = 0;
        this.events = events.map(([seconds, kind, data]) => {
            const wait = Math.min(seconds - before, head.idle_time_limit ?? 2);
            if (kind === "o") at += Math.max(wait, 0.06);
            before = seconds;
            return { at, kind, data };
        });
        this.screen = document.createElement("pre");
        // A log has nothing that must stand below something else, so a narrow screen breaks its lines.
        const isLog = !events.some(([, , data]) => data.includes("\x1b["));
        this.screen.className = isLog ? "screen is-log" : "screen";
        this.screen.style.setProperty("--columns", head.width);
        this.screen.style.setProperty("--lines", head.height);
        figure.append(this.screen);
        this.reset();
    }

    reset() {
        clearTimeout(this.timer);
        this.timer = null;
        this.next_event = 0;
        this.terminal = new Terminal(this.head.width, this.head.height);
        this.draw();
        this.changed();
    }

    get isPlaying() {
        return this.timer !== null;
    }

    get isOver() {
        return this.next_event === this.events.length;
    }

    play() {
        if (this.isPlaying) return;
        if (this.isOver) this.reset();
        this.terminal.mark = false;
        this.wait();
        this.changed();
    }

    pause() {
        clearTimeout(this.timer);
        this.timer = null;
        this.changed();
    }

    wait() {
        const event = this.events[this.next_event];
        const before = this.events[this.next_event - 1]?.at ?? 0;
        this.timer = event ? setTimeout(() => this.go(), 1000 * (event.at - before)) : null;
    }

    go() {
        const stops = this.step();
        this.draw();
        if (stops || this.isOver) this.pause();
        else this.wait();
    }

    // Does what the next event says, and tells whether that is to stop.
    step() {
        const { kind, data } = this.events[this.next_event++];
        if (kind === "o") this.terminal.write(data);
        if (kind === "m") this.terminal.mark = data;
        return kind === "m";
    }

    // Shows all up to the next mark at once, or goes on from a mark. In the end there is nothing to do, and it says so.
    next() {
        if (this.isPlaying) {
            this.pause();
            while (!this.isOver && !this.step());
            this.draw();
            this.changed();
        } else if (this.isOver) {
            return false;
        } else {
            this.play();
        }
        return true;
    }

    enter() {
        this.reset();
        this.play();
    }

    leave() {
        this.reset();
    }

    draw() {
        this.screen.replaceChildren(...this.terminal.lines());
        this.screen.scrollTop = this.screen.scrollHeight;
    }

    // For a button, in the book.
    changed() {
        this.onchange?.();
    }
}

// As much of a terminal as a log and `--watch` need: lines that wrap and scroll, colours, and a cursor that is moved.
class Terminal {
    constructor(width, height) {
        Object.assign(this, { width, height, mark: false });
        this.clear();
    }

    clear() {
        this.rows = Array.from({ length: this.height }, () => []);
        this.x = this.y = 0;
        this.style = {};
    }

    write(text) {
        for (const [, sequence, letter] of text.matchAll(/\x1b\[([?\d;]*[A-Za-z])|([^\x1b])/gu)) {
            if (sequence) this.control(sequence.at(-1), sequence.slice(0, -1));
            else if (letter === "\n") this.down();
            else if (letter === "\r") this.x = 0;
            else this.put(letter);
        }
    }

    put(letter) {
        if (this.x === this.width) {
            this.x = 0;
            this.down();
        }
        this.rows[this.y][this.x++] = { letter, style: this.style };
    }

    down() {
        if (this.y < this.height - 1) this.y++;
        else this.rows = [...this.rows.slice(1), []];
    }

    control(command, text) {
        const numbers = text.split(";").map(Number);
        const nth = index => Math.max(1, numbers[index] || 1);
        if (command === "H") [this.y, this.x] = [Math.min(nth(0), this.height) - 1, Math.min(nth(1), this.width) - 1];
        else if (command === "J" || text === "?1049") this.clear();
        else if (command === "K") this.rows[this.y].length = Math.min(this.x, this.rows[this.y].length);
        else if (command === "m") this.look(numbers);
    }

    look(numbers) {
        const style = { ...this.style };
        while (numbers.length) {
            const number = numbers.shift();
            if (number === 0) for (const key in style) delete style[key];
            else if (number === 1) style.bold = true;
            else if (number === 2) style.dim = true;
            else if (number === 7) style.reversed = true;
            else if (number === 9) style.crossed = true;
            else if (number === 22) style.bold = style.dim = false;
            else if (number === 27) style.reversed = false;
            else if (number === 29) style.crossed = false;
            else if (number === 38 && numbers[0] === 5) style.colour = numbers.splice(0, 2)[1] % 8;
            else if (number === 48 && numbers[0] === 5) numbers.splice(0, 2);
            else if (number >= 30 && number <= 37) style.colour = number - 30;
            else if (number === 39) delete style.colour;
        }
        this.style = style;
    }

    // An element for each line. The one that the recording stops at is marked.
    lines() {
        const last = this.rows.findLastIndex(row => row.length);
        const text = row => Array.from(row, cell => cell?.letter ?? " ").join("");
        const marked = this.mark ? this.rows.findLastIndex(row => text(row).includes(this.mark)) : -1;
        return this.rows.slice(0, last + 1).map((row, index) => {
            const line = document.createElement("div");
            if (index === marked) line.className = "mark";
            let run = null;
            for (const cell of Array.from(row)) {
                const style = cell?.style ?? {};
                if (run?.look !== style) {
                    run = document.createElement("span");
                    run.look = style;
                    const on = ["bold", "dim", "reversed", "crossed"].filter(key => style[key]);
                    if (style.colour !== undefined) on.push(`colour-${style.colour}`);
                    run.className = on.join(" ");
                    line.append(run);
                }
                run.textContent += cell?.letter ?? " ";
            }
            line.append("\n");
            return line;
        });
    }
}

// In the book, a recording is folded behind a button.
for (const figure of document.querySelectorAll(".content figure.cast")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "▶ Play a recording of this";
    button.addEventListener("click", () => {
        const cast = figure.cast ??= new Cast(figure);
        cast.onchange ??= () => {
            button.textContent = cast.isPlaying ? "⏸ Pause" : cast.isOver ? "↺ Again" : "▶ Go on";
        };
        if (cast.isPlaying) cast.pause();
        else cast.play();
    });
    figure.append(button);
}
