// @vitest-environment happy-dom
// The addresses of the places, as they are typed, linked and mistyped, and links that are followed.
import { afterEach, expect, test, vi } from 'vitest';
import { addressOf, askedHash, followLinks, goTo, places, readAddress } from './place.ts';

const painted = (): Promise<void> =>
  new Promise((resolve) => {
    requestAnimationFrame(() => setTimeout(() => setTimeout(resolve)));
  });

afterEach(async () => {
  await painted();
  vi.restoreAllMocks();
  document.body.innerHTML = '';
  history.replaceState(null, '', '#/images');
});

test.each(places.map(({ id }) => id))('the address of %s leads there, with and without a view', (place) => {
  expect(readAddress(addressOf(place))).toEqual({ place, view: null });
  expect(readAddress(addressOf(place, 'try'))).toEqual({ place, view: 'try' });
});

test.each(['', '#', '#/', '#/nowhere', '#/nowhere/try', '#understanding', '#/%00'])(
  '"%s" is no place, and shows the images',
  (hash) => {
    expect(readAddress(hash)).toEqual({ place: 'images', view: null });
  },
);

test('a slash at the end, or none at the start, is no other address', () => {
  expect(readAddress('#/train/')).toEqual({ place: 'train', view: null });
  expect(readAddress('#train')).toEqual({ place: 'train', view: null });
});

/** A link that is clicked, and whether the page followed it by itself. */
function clicked(href: string, init: MouseEventInit = {}): boolean {
  const leaving = new AbortController();
  followLinks(leaving.signal);
  const link = document.createElement('a');
  link.href = href;
  link.innerHTML = '<b>there</b>';
  document.body.append(link);
  const click = new MouseEvent('click', { bubbles: true, cancelable: true, ...init });
  let followed = false;
  addEventListener(
    'click',
    (event) => {
      followed = event.defaultPrevented;
      // What the page leaves to the browser leads nowhere here.
      event.preventDefault();
    },
    { once: true },
  );
  link.firstElementChild?.dispatchEvent(click);
  leaving.abort();
  return followed;
}

test('a place is asked for at once, and is the address of the browser once that is painted', async () => {
  history.replaceState(null, '', '#/images');
  const push = vi.spyOn(history, 'pushState');
  goTo('understand', 'try');
  expect([askedHash(), location.hash]).toEqual(['#/understand/try', '#/images']);
  await painted();
  expect(push.mock.calls).toEqual([[null, '', '#/understand/try']]);
  expect([askedHash(), location.hash]).toEqual(['#/understand/try', '#/understand/try']);
});

test('of two that are asked for in one frame the last is gone to', async () => {
  history.replaceState(null, '', '#/images');
  const push = vi.spyOn(history, 'pushState');
  goTo('train');
  goTo('model');
  await painted();
  expect(push.mock.calls).toEqual([[null, '', '#/model']]);
});

test('where the browser goes meanwhile is newer than what was asked for', async () => {
  history.replaceState(null, '', '#/images');
  goTo('train');
  history.replaceState(null, '', '#/model');
  expect(askedHash()).toBe('#/model');
  await painted();
  expect(location.hash).toBe('#/model');
});

test('a click on a link to a place is the page’s', () => {
  expect(clicked('#/train')).toBe(true);
});

test('a link to where one is adds nothing to the history', async () => {
  history.replaceState(null, '', '#/train');
  const push = vi.spyOn(history, 'pushState');
  expect(clicked('#/train')).toBe(true);
  await painted();
  expect(push).not.toHaveBeenCalled();
});

test.each([
  ['#elsewhere', {}],
  ['https://example.org/', {}],
  ['#/train', { ctrlKey: true }],
  ['#/train', { metaKey: true }],
  ['#/train', { shiftKey: true }],
  ['#/train', { button: 1 }],
] as const)('a click on %s with %o is the browser’s', (href, init) => {
  expect(clicked(href, init)).toBe(false);
});
