// Small helpers for the page's elements.

export const $ = (id) => document.getElementById(id);

/** An element with a class and a text. */
export function element(tag, className, text) {
  return Object.assign(document.createElement(tag), { className, textContent: text });
}

export function fillSelect(select, options) {
  select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
}

/** Checkboxes for [value, label] options, some of them checked. */
export function fillChecks(group, options, checked) {
  group.replaceChildren(...options.map(([value, text]) => {
    const label = document.createElement('label');
    const box = Object.assign(document.createElement('input'), { type: 'checkbox', value, checked: checked.includes(value) });
    label.append(box, ` ${text}`);
    return label;
  }));
}

/** The values of the checked boxes of a group. */
export function checkedValues(group) {
  return [...group.querySelectorAll('input:checked')].map(({ value }) => value);
}

export function fillTerms(list, terms) {
  list.replaceChildren(...terms.flatMap(([label, text]) => [element('dt', '', label), element('dd', '', text)]));
}

export function download(blob, name) {
  const link = Object.assign(document.createElement('a'), { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
