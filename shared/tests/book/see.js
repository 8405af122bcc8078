// Collects the contents of a page, and its faults. The browser runs this in the page.
() => {
    const all = (selector, from) => Array.from((from ?? document).querySelectorAll(selector));
    const nav = kind => all(`.nav-wide-wrapper a[rel~=${kind}]`).map(link => link.href)[0] ?? null;
    const name = element => `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}"> ${element.textContent.trim().slice(0, 60)}`;
    const width = document.documentElement.clientWidth;

    // Such a box scrolls by itself, so its content may be wider.
    const boxes = "pre > code, .table-wrapper, figure.picture, figure.cast .screen";
    const tooWide = all("main *:not(pre *, .table-wrapper *, figure *)").filter(element =>
        element.getBoundingClientRect().right > width + 1);
    const boxTooWide = all(boxes).filter(box => box.getBoundingClientRect().right > width + 1);
    const boxStuck = all(boxes).filter(box =>
        box.scrollWidth > box.clientWidth + 1 && !["auto", "scroll"].includes(getComputedStyle(box).overflowX));
    // A picture may reach into the margin beside the text, which scrolls nothing.
    const scrolling = [document.documentElement, document.body, ...all(".page, .content, main")]
        .filter(element => element.scrollWidth > element.clientWidth + 1)
        .filter(element => element === document.documentElement || getComputedStyle(element).overflowX !== "visible");

    const code = all("pre > code[class*=language-]");
    const language = block => block.className.match(/language-([\w-]+)/)[1];
    return {
        title: document.title,
        lang: document.documentElement.lang,
        description: document.querySelector("meta[name=description]")?.content ?? "",
        headings: all("main h1").map(heading => heading.textContent.trim()),
        text: document.querySelector("main").textContent,
        ids: all("[id]").map(element => element.id),
        links: all("main a[href], .sidebar a[href]").map(link => link.href),
        sidebar: all(".sidebar ol.chapter a[href]").filter(link => !link.hash && !link.classList.contains("chapter-fold-toggle")).map(link => link.href),
        // In how many folds of the sidebar this page is; 0 if it cannot be seen there.
        depth: all(".sidebar ol.chapter a.active").filter(link => link.checkVisibility())
            .map(link => all("ol").filter(list => list.contains(link)).length)[0] ?? 0,
        next: nav("next"),
        previous: nav("prev"),
        images: all("main img").map(image => ({src: image.src, shown: image.complete && image.naturalWidth > 0})),
        pictures: all("figure.picture > svg").map(picture => picture.id),
        languages: code.map(language),
        plain: code.filter(block => !block.classList.contains("hljs")
            || !hljs.getLanguage(language(block))
            || (language(block) !== "text" && !block.querySelector("[class^=hljs-]"))).map(name),
        runnable: all(".play-button").length,
        tooWide: [...tooWide, ...boxTooWide, ...boxStuck, ...scrolling].map(name),
    };
}
