import type { Word } from './assortment.ts'

/** A list of single words, written as one text. */
function words(text: string): readonly string[] {
  return text.trim().split(/\s+/)
}

/** Names of collections: the same in every language. */
export const COLLECTIONS = words(`
  Alba Arken Bo Brisa Canto Dune Elba Fjord Fuji Gråsten Halm Hygge Isola Juno Kiruna Koto Lago Linde Lumi Mistral Mori
  Nara Nordlys Oslo Pomme Quill Rhône Saga Sol Strand Tarn Tivoli Umi Vega Vik Wabi Yuzu Zephyr`)

/** Materials as they stand before a noun. */
export const MATERIALS: readonly Word[] = [
  ['Stoneware', 'aus Steinzeug', 'en grès'],
  ['Oak', 'aus Eiche', 'en chêne'],
  ['Linen', 'aus Leinen', 'en lin'],
  ['Brass', 'aus Messing', 'en laiton'],
  ['Glass', 'aus Glas', 'en verre'],
  ['Walnut', 'aus Nussbaum', 'en noyer'],
  ['Porcelain', 'aus Porzellan', 'en porcelaine'],
  ['Cast Iron', 'aus Gusseisen', 'en fonte'],
  ['Recycled', 'aus Recyclingmaterial', 'recyclé'],
  ['Enamel', 'aus Emaille', 'en émail'],
]

/** As they were typed over the years, so one colour has more than one spelling. */
export const COLORS = words('white black grey gray blue navy green sage red terracotta yellow ochre natural pink')

export const SIZES: readonly string[] = [
  'S',
  'M',
  'L',
  'XL',
  '20 cm',
  '24 cm',
  '28 cm',
  '0.5 l',
  '1 l',
  '1,5 l',
  'one size',
]

export const TAGS: readonly string[] = [
  'new',
  'gift',
  'bestseller',
  'handmade',
  'made in EU',
  'vegan',
  'outlet',
  'limited',
  'b-stock',
  'refill',
  'for two',
  'wedding list',
  'fair trade',
  'plastic-free',
]

export const BRANDS: readonly (readonly [name: string, country: string | null, website: string | null])[] = [
  ['Atelier Corbeau', 'FR', 'https://corbeau.example'],
  ['Bergmann & Söhne', 'DE', 'https://bergmann.example'],
  ['Casa Lúcia', 'PT', 'https://casalucia.example'],
  ['Dansk Form', 'DK', 'https://danskform.example'],
  ['Eikeland', 'NO', null],
  ['Fabbrica Nove', 'IT', 'https://nove.example'],
  ['Grøn Studio', 'DK', 'https://gron.example'],
  ['Hasami Works', 'JP', 'https://hasami.example'],
  ['Iittu', 'FI', null],
  ['Jardin Vert', 'FR', 'https://jardinvert.example'],
  ['Kalkbrenner', 'DE', null],
  ['Loch & Linen', 'GB', 'https://lochlinen.example'],
  ['Maison Brune', 'BE', 'https://brune.example'],
  ['Nordlys', 'SE', 'https://nordlys.example'],
  ["O'Hara Pottery", 'IE', null],
  ['Porcelanas Ría', 'ES', 'https://ria.example'],
  ['Quaint Co.', 'GB', null],
  ['Rosenholm', 'SE', 'https://rosenholm.example'],
  ['Studio 47', null, null],
  ['Tischlerei Ott', 'AT', 'https://ott.example'],
  ['Uhrenfabrik Lenz', 'CH', 'https://lenz.example'],
  ['Verre & Fils', 'FR', null],
  ['Werkstatt Mitte', 'DE', 'https://mitte.example'],
  ['Yama', 'JP', null],
]

export const FIRST_NAMES = words(`
  Ada Aisha Amélie Anton Ben Carla Chiara Clara David Elif Emil Emma Fatima Felix Finn Greta Hanna Ida Inès Ivan Jakub
  Jonas José Julia Kofi Lars Léa Lina Louis Luca Maja Marie Mateo Mia Mila Nora Olga Oskar Pablo Paul Priya Rosa Samir
  Sofia Søren Tara Theo Thuy Vera Yusuf Zoë`)

export const LAST_NAMES = words(`
  Andersen Bauer Becker Bernard Bianchi Braun Costa Dahl Dubois Eriksen Fischer Fontaine Garcia Haas Hansen Horvat Huber
  Ibrahim Jansen Jensen Kaya Keller Kowalski Larsen Lefèvre Lopez Martin Meyer Moreau Müller Nguyen Novak Okafor Olsen
  Pereira Petit Petrov Ricci Romano Rossi Santos Schmidt Silva Sørensen Tanaka Thomas Visser Wagner Weber Yılmaz`)

export const STREETS: readonly string[] = [
  'Lindenstraße',
  'Rue des Lilas',
  'Via Roma',
  'Harbour Road',
  'Kastanienallee',
  'Calle Mayor',
  'Østergade',
  'Place du Marché',
  'Am Bahnhof',
  'Mill Lane',
]

export const CITIES: readonly (readonly [city: string, country: string, postcode: string])[] = [
  ['Berlin', 'DE', '10'],
  ['Hamburg', 'DE', '20'],
  ['München', 'DE', '80'],
  ['Wien', 'AT', '10'],
  ['Lyon', 'FR', '69'],
  ['Nantes', 'FR', '44'],
  ['København', 'DK', '21'],
  ['Torino', 'IT', '10'],
  ['Porto', 'PT', '40'],
  ['Utrecht', 'NL', '35'],
]

/** Sentences of descriptions, English and German. `{noun}` and `{collection}` are filled in. */
export const SENTENCES: readonly (readonly [en: string, de: string])[] = [
  ['The {collection} {noun} is made in small batches.', '{noun} {collection} entsteht in kleinen Serien.'],
  ['It feels calm in the hand and ages well.', 'Liegt ruhig in der Hand und altert schön.'],
  [
    'Every piece is checked, signed and packed by the person who made it.',
    'Jedes Stück wird von Hand geprüft und verpackt.',
  ],
  ['Drawn in a studio by the sea, finished two streets away.', 'Am Meer entworfen, zwei Straßen weiter vollendet.'],
  ['Small variations in tone are part of the material.', 'Kleine Farbunterschiede gehören zum Material.'],
  ['Clean it with a soft cloth; nothing else is needed.', 'Mit einem weichen Tuch reinigen, mehr braucht es nicht.'],
  ['Spare parts stay available for ten years.', 'Ersatzteile bleiben zehn Jahre lieferbar.'],
  ['It comes in a box of recycled cardboard, without plastic.', 'Kommt im Karton aus Altpapier, ganz ohne Plastik.'],
  ['The shape goes back to a design from 1957.', 'Die Form geht auf einen Entwurf von 1957 zurück.'],
  ['A quiet companion for long mornings.', 'Ein stiller Begleiter für lange Morgen.'],
  ['Designed to be repaired rather than replaced.', 'Zum Reparieren gemacht, nicht zum Ersetzen.'],
  [
    'Goes well with everything else from the {collection} collection.',
    'Passt zu allem aus der Kollektion {collection}.',
  ],
]

export const REVIEWS: readonly (readonly [rating: number, title: string, body: string])[] = [
  [5, 'Better than the pictures', 'I did not expect it to be this well made. Would buy it again at once.'],
  [5, 'A present that was kept', 'Bought as a gift, bought a second one for myself a week later.'],
  [4, 'Very nice', 'Looks great. One star less because the parcel took a while.'],
  [4, 'Does what it should', 'Solid, a little heavier than I thought.'],
  [5, 'Wunderschön', 'Genau wie beschrieben, sehr schön verpackt.'],
  [3, 'Fine', 'It is fine. The colour is different from what my screen showed.'],
  [4, 'Très joli', 'Belle finition, livraison soignée.'],
  [2, 'Smaller than I thought', 'My mistake perhaps, but the photo makes it look bigger.'],
  [1, 'Arrived broken', 'The replacement came quickly, but still.'],
  [5, 'Every day since', 'In use every single day and still like new.'],
]
