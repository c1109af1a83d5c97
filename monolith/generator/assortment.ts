/** English, German, French. */
export type Word = readonly [en: string, de: string, fr: string]

export interface Shelf {
  readonly slug: string
  readonly name: Word
  /** What is sold there; a product's name ends with one of these. */
  readonly nouns: readonly Word[]
  /** In whole euros, cheapest and dearest. */
  readonly prices: readonly [number, number]
  /** In grams, lightest and heaviest. */
  readonly weights: readonly [number, number]
}

export interface Department {
  readonly slug: string
  readonly name: Word
  readonly shelves: readonly Shelf[]
}

/** The category tree: departments above, shelves below. Products stand on shelves only. */
export const DEPARTMENTS: readonly Department[] = [
  {
    slug: 'kitchen',
    name: ['Kitchen', 'Küche', 'Cuisine'],
    shelves: [
      {
        slug: 'teapots',
        name: ['Teapots', 'Teekannen', 'Théières'],
        nouns: [
          ['Teapot', 'Teekanne', 'Théière'],
          ['Travel Teapot', 'Reisekanne', 'Théière de voyage'],
          ['Samovar', 'Samowar', 'Samovar'],
        ],
        prices: [18, 140],
        weights: [350, 2_400],
      },
      {
        slug: 'cups',
        name: ['Cups & Mugs', 'Tassen & Becher', 'Tasses & mugs'],
        nouns: [
          ['Mug', 'Becher', 'Mug'],
          ['Espresso Cup', 'Espressotasse', 'Tasse à expresso'],
          ['Tea Bowl', 'Teeschale', 'Bol à thé'],
          ['Café au Lait Bowl', 'Milchkaffeeschale', 'Bol à café au lait'],
        ],
        prices: [6, 38],
        weights: [120, 520],
      },
      {
        slug: 'pans',
        name: ['Pots & Pans', 'Töpfe & Pfannen', 'Casseroles & poêles'],
        nouns: [
          ['Frying Pan', 'Bratpfanne', 'Poêle'],
          ['Saucepan', 'Kasserolle', 'Casserole'],
          ['Stockpot', 'Suppentopf', 'Marmite'],
        ],
        prices: [29, 260],
        weights: [700, 5_200],
      },
      {
        slug: 'knives',
        name: ['Knives', 'Messer', 'Couteaux'],
        nouns: [
          ["Chef's Knife", 'Kochmesser', 'Couteau de chef'],
          ['Bread Knife', 'Brotmesser', 'Couteau à pain'],
          ['Paring Knife', 'Schälmesser', "Couteau d'office"],
        ],
        prices: [12, 190],
        weights: [60, 380],
      },
    ],
  },
  {
    slug: 'living',
    name: ['Living', 'Wohnen', 'Salon'],
    shelves: [
      {
        slug: 'chairs',
        name: ['Chairs', 'Stühle', 'Chaises'],
        nouns: [
          ['Armchair', 'Sessel', 'Fauteuil'],
          ['Dining Chair', 'Esszimmerstuhl', 'Chaise de table'],
          ['Stool', 'Hocker', 'Tabouret'],
        ],
        prices: [49, 890],
        weights: [2_500, 24_000],
      },
      {
        slug: 'cushions',
        name: ['Cushions & Throws', 'Kissen & Decken', 'Coussins & plaids'],
        nouns: [
          ['Cushion', 'Kissen', 'Coussin'],
          ['Wool Throw', 'Wolldecke', 'Plaid en laine'],
          ['Floor Cushion', 'Bodenkissen', 'Coussin de sol'],
        ],
        prices: [15, 160],
        weights: [250, 2_800],
      },
      {
        slug: 'vases',
        name: ['Vases', 'Vasen', 'Vases'],
        nouns: [
          ['Vase', 'Vase', 'Vase'],
          ['Bud Vase', 'Solitärvase', 'Soliflore'],
          ['Planter', 'Übertopf', 'Cache-pot'],
        ],
        prices: [9, 180],
        weights: [180, 4_200],
      },
      {
        slug: 'clocks',
        name: ['Clocks', 'Uhren', 'Horloges'],
        nouns: [
          ['Wall Clock', 'Wanduhr', 'Horloge murale'],
          ['Alarm Clock', 'Wecker', 'Réveil'],
        ],
        prices: [19, 240],
        weights: [200, 1_900],
      },
    ],
  },
  {
    slug: 'lighting',
    name: ['Lighting', 'Licht', 'Luminaires'],
    shelves: [
      {
        slug: 'table-lamps',
        name: ['Table Lamps', 'Tischleuchten', 'Lampes de table'],
        nouns: [
          ['Table Lamp', 'Tischleuchte', 'Lampe de table'],
          ['Reading Lamp', 'Leselampe', 'Liseuse'],
        ],
        prices: [35, 420],
        weights: [600, 4_000],
      },
      {
        slug: 'pendants',
        name: ['Pendants', 'Pendelleuchten', 'Suspensions'],
        nouns: [
          ['Pendant', 'Pendelleuchte', 'Suspension'],
          ['Chandelier', 'Kronleuchter', 'Lustre'],
        ],
        prices: [55, 980],
        weights: [700, 8_500],
      },
      {
        slug: 'candles',
        name: ['Candles', 'Kerzen', 'Bougies'],
        nouns: [
          ['Candle', 'Kerze', 'Bougie'],
          ['Candle Holder', 'Kerzenhalter', 'Bougeoir'],
          ['Lantern', 'Laterne', 'Lanterne'],
        ],
        prices: [5, 75],
        weights: [90, 1_600],
      },
    ],
  },
  {
    slug: 'desk',
    name: ['Desk', 'Schreibtisch', 'Bureau'],
    shelves: [
      {
        slug: 'notebooks',
        name: ['Notebooks', 'Notizbücher', 'Carnets'],
        nouns: [
          ['Notebook', 'Notizbuch', 'Carnet'],
          ['Sketchbook', 'Skizzenbuch', 'Carnet de croquis'],
          ['Diary', 'Kalender', 'Agenda'],
        ],
        prices: [6, 48],
        weights: [90, 780],
      },
      {
        slug: 'pens',
        name: ['Pens', 'Stifte', 'Stylos'],
        nouns: [
          ['Fountain Pen', 'Füller', 'Stylo-plume'],
          ['Ballpoint Pen', 'Kugelschreiber', 'Stylo-bille'],
          ['Pencil', 'Bleistift', 'Crayon'],
        ],
        prices: [3, 220],
        weights: [8, 60],
      },
      {
        slug: 'organisers',
        name: ['Organisers', 'Ordnung', 'Rangement'],
        nouns: [
          ['Desk Tray', 'Ablage', 'Bac à courrier'],
          ['Pen Pot', 'Stiftebecher', 'Pot à crayons'],
          ['Letter Box', 'Briefbox', 'Boîte à lettres'],
        ],
        prices: [12, 110],
        weights: [180, 1_800],
      },
    ],
  },
  {
    slug: 'bath',
    name: ['Bath', 'Bad', 'Salle de bain'],
    shelves: [
      {
        slug: 'towels',
        name: ['Towels', 'Handtücher', 'Serviettes'],
        nouns: [
          ['Bath Towel', 'Badetuch', 'Drap de bain'],
          ['Hand Towel', 'Handtuch', 'Essuie-mains'],
          ['Bath Mat', 'Badematte', 'Tapis de bain'],
        ],
        prices: [8, 85],
        weights: [150, 1_100],
      },
      {
        slug: 'soaps',
        name: ['Soaps', 'Seifen', 'Savons'],
        nouns: [
          ['Soap', 'Seife', 'Savon'],
          ['Soap Dish', 'Seifenschale', 'Porte-savon'],
          ['Shampoo Bar', 'Festes Shampoo', 'Shampoing solide'],
        ],
        prices: [4, 32],
        weights: [80, 420],
      },
    ],
  },
  {
    slug: 'garden',
    name: ['Garden', 'Garten', 'Jardin'],
    shelves: [
      {
        slug: 'tools',
        name: ['Tools', 'Werkzeug', 'Outils'],
        nouns: [
          ['Trowel', 'Pflanzkelle', 'Transplantoir'],
          ['Secateurs', 'Gartenschere', 'Sécateur'],
          ['Rake', 'Rechen', 'Râteau'],
        ],
        prices: [9, 95],
        weights: [180, 1_900],
      },
      {
        slug: 'pots',
        name: ['Pots', 'Töpfe', 'Pots'],
        nouns: [
          ['Flowerpot', 'Blumentopf', 'Pot de fleurs'],
          ['Balcony Box', 'Balkonkasten', 'Jardinière'],
        ],
        prices: [5, 120],
        weights: [300, 9_500],
      },
      {
        slug: 'watering',
        name: ['Watering', 'Gießen', 'Arrosage'],
        nouns: [
          ['Watering Can', 'Gießkanne', 'Arrosoir'],
          ['Mister', 'Zerstäuber', 'Vaporisateur'],
        ],
        prices: [11, 130],
        weights: [200, 1_700],
      },
    ],
  },
]
