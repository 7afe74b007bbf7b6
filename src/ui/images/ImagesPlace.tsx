// The place of the images: what is open and how others are opened, or all images one by one. The gallery is
// loaded when it is looked at first.
import { lazy, Suspense } from 'react';
import { useData } from '../../state/data-store.ts';
import { Views } from '../parts/Views.tsx';
import { useAddress } from '../place.ts';
import { ImagesCard } from './ImagesCard.tsx';

const GalleryCard = lazy(() => import('../gallery/GalleryCard.tsx'));

const views = [
  { id: 'set', title: 'Choose images' },
  { id: 'all', title: 'Look through all of them' },
] as const;

export function ImagesPlace() {
  const { place, view } = useAddress();
  const isOpen = useData((state) => state.data !== null);
  const wanted = place === 'images' && view === 'all' && isOpen ? 'all' : 'set';
  return (
    <>
      {isOpen && <Views label="Views of the images" place="images" views={views} wanted={wanted} />}
      {wanted === 'all' ? (
        <Suspense fallback={null}>
          <GalleryCard />
        </Suspense>
      ) : (
        <ImagesCard />
      )}
    </>
  );
}
