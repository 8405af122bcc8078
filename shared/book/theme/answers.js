// "Before you run it": fields for your own answers before the folded ones. When you unfold those, numbers are compared, and you
// compare words yourself. The browser keeps what you have typed.
"use strict";

{
    // The numbers that the answers say in words. Their places are their values.
    const words = ["nothing", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    const numbers = text => (text.toLowerCase().match(/\d+|[a-z]+/g) ?? [])
        .map(word => words.includes(word) ? words.indexOf(word) : Number(word === "no" || word === "none" ? 0 : word))
        .filter(number => !Number.isNaN(number));

    // A browser can refuse to keep anything, as some do for files. Then an answer lasts as long as the page.
    const keep = (name, text) => { try { localStorage.setItem(name, text); } catch { /* as said */ } };
    const kept = name => { try { return localStorage.getItem(name) ?? ""; } catch { return ""; } };

    const make = (tag, name, text = "") =>
        Object.assign(document.createElement(tag), { className: name, textContent: text });

    // A question, and the element with its answer.
    const pairs = folded => {
        const questions = folded.previousElementSibling;
        const of = list => [...list.children].filter(item => item.tagName === "LI");
        const answers = folded.querySelector(":scope > ol");
        if (questions?.tagName === "OL" && answers && of(questions).length === of(answers).length) {
            return of(questions).map((question, number) => [question, of(answers)[number]]);
        }
        return [[null, folded]];
    };

    for (const [place, folded] of document.querySelectorAll("main details").entries()) {
        if (!/^Answers?$/.test(folded.querySelector("summary")?.textContent.trim() ?? "")) continue;
        for (const [number, [question, answer]] of pairs(folded).entries()) {
            // The number that is asked for is the first bold text.
            const bold = answer.querySelector("strong")?.textContent;
            const right = numbers(bold ?? "");
            const name = `palleto-answer ${document.title} ${place}.${number}`;

            const field = make("input", "answer-field");
            field.setAttribute("aria-label", question ? `Your answer to question ${number + 1}` : "Your answer");
            field.placeholder = "Your answer";
            field.autocomplete = "off";
            field.value = kept(name);
            const verdict = make("p", "answer-verdict");
            verdict.setAttribute("role", "status");
            if (question) question.append(field);
            else folded.before(field);
            const into = question ? answer : folded.querySelector("summary");
            if (question) into.prepend(verdict);
            else into.after(verdict);

            const compare = () => {
                const typed = field.value.trim();
                const isNumber = right.length > 0;
                const isRight = isNumber && String(numbers(typed)) === String(right);
                verdict.hidden = !typed || !folded.open;
                verdict.classList.toggle("is-right", isRight);
                verdict.classList.toggle("is-wrong", isNumber && !isRight);
                verdict.textContent = isRight ? `✓ ${typed}: right`
                    : isNumber ? `✗ You said ${typed}`
                    : `You said: ${typed}`;
            };
            field.addEventListener("input", () => { keep(name, field.value); compare(); });
            field.addEventListener("keydown", event => {
                // An arrow key would turn the page.
                event.stopPropagation();
                if (event.key === "Enter") folded.open = true;
            });
            folded.addEventListener("toggle", compare);
            compare();
        }
    }
}
