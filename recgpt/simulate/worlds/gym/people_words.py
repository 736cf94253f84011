"""Words of generated people: names, jobs, hobbies, and parts of descriptions."""

from recgpt.simulate.worlds.gym.domains.made_up_words import entries

WOMEN = entries(
    """Aisha, Alice, Amara, Ana, Astrid, Beatriz, Carmen, Chiara, Daria, Deborah, Elena, Emma, Fatima, Freya, Gabriela,
    Grace, Hannah, Helga, Ines, Ingrid, Irene, Jana, Jasmine, Joan, Kadija, Karin, Katya, Laila, Lea, Leonie, Lucia,
    Madeleine, Maeve, Mariko, Martha, Mei, Mina, Nadia, Naomi, Nina, Olga, Olivia, Petra, Priya, Rachel, Rania,
    Renée, Rita, Ruth, Salma, Sarah, Selma, Sofía, Sigrid, Sunita, Tamar, Tatiana, Teresa, Ursula, Valérie, Wanda,
    Xenia, Yasmin, Zoe"""
)
MEN = entries(
    """Adam, Ahmed, Alan, Andrei, Antonio, Arjun, Arthur, Baptiste, Ben, Björn, Bruno, Carlos, Chen, Conor, Daniel,
    David, Diego, Dmitri, Edward, Emil, Enzo, Erik, Felix, Francis, Frank, George, Hamid, Hans, Harold, Henry, Hiro,
    Hugo, Ibrahim, Ivan, Jack, Jakob, James, Jérôme, João, Joseph, Karim, Kenji, Leo, Liam, Luca, Luis, Marcus,
    Mario, Matteo, Mehmet, Miguel, Mohammed, Nikolai, Noah, Oscar, Otto, Paul, Pavel, Peter, Rafael, Raj, Robert,
    Samuel, Simon, Stefan, Thomas, Tomás, Victor, Walter, Yusuf"""
)
SURNAMES = entries(
    """Abbott, Acosta, Adeyemi, Ahmadi, Almeida, Andersson, Arslan, Bailey, Baker, Becker, Bianchi, Bauer, Brown,
    Campbell, Carvalho, Castillo, Chandra, Chen, Clarke, Costa, Cruz, Davies, Delgado, Dubois, Edwards, Evans,
    Fernández, Fischer, Fontaine, Foster, Fraser, García, Gomes, González, Gupta, Haddad, Hansen, Harris, Hernández,
    Hoffmann, Hughes, Ibrahim, Ivanova, Jackson, Jensen, Johnson, Jones, Kaur, Keller, Khan, Kim, Kowalski, Kumar,
    Larsen, Laurent, Lee, Lopes, Marino, Martin, Mensah, Meyer, Miller, Moreau, Morgan, Müller, Murphy, Nakamura,
    Nguyen, Novák, Nowak, O'Brien, Okafor, Oliveira, Olsen, Ortiz, Osei, Papadopoulos, Patel, Pereira, Petersen,
    Popescu, Ramírez, Reid, Ricci, Roberts, Rojas, Romano, Roux, Russo, Santos, Sato, Schmidt, Schneider, Silva,
    Singh, Smith, Sørensen, Suzuki, Tanaka, Taylor, Thompson, Torres, Tran, Turner, Vargas, Vega, Wagner, Walker,
    Wang, Weber, White, Wilson, Wong, Wright, Yılmaz, Young, Zhang, Zimmermann"""
)


JOBS = entries(
    """accountant, actor, air traffic controller, ambulance driver, anaesthetist, archaeologist, architect, archivist,
    art teacher, auditor, baker, bank clerk, barber, beekeeper, bicycle mechanic, biologist, bookseller, botanist,
    bricklayer, bus driver, butcher, carpenter, cartographer, cashier, chemist, choreographer, civil engineer,
    cleaner, coach, cook, copywriter, court clerk, crane operator, customs officer, dairy farmer, data analyst,
    dentist, dog trainer, dressmaker, driving instructor, economist, editor, electrician, event planner, farmer,
    fashion designer, film editor, firefighter, fisher, flight attendant, florist, forester, furniture maker, game
    designer, gardener, geologist, glazier, graphic designer, hairdresser, historian, hotel manager, housekeeper,
    illustrator, insurance agent, interior designer, interpreter, jeweller, journalist, judge, kindergarten teacher,
    lab technician, lawyer, librarian, lifeguard, locksmith, logistics planner, machinist, mail carrier, marine
    biologist, mechanic, meteorologist, midwife, miner, museum guide, music teacher, network engineer, notary,
    nurse, nutritionist, optician, painter, paramedic, pastry cook, pharmacist, photographer, physicist,
    physiotherapist, piano tuner, pilot, plumber, police officer, potter, primary school teacher, product manager,
    programmer, property manager, psychologist, radiographer, real estate agent, receptionist, roofer, sailor, sales
    representative, seismologist, shoemaker, shop assistant, social worker, software engineer, sound engineer,
    speech therapist, statistician, surgeon, surveyor, tailor, tax adviser, taxi driver, telephone operator, tour
    guide, toxicologist, translator, truck driver, urban planner, veterinarian, video editor, waiter, watchmaker,
    web developer, welder, wine merchant, zookeeper"""
)
HOBBIES = entries(
    """acrobatics, airsoft, amateur astronomy, amateur radio, antique collecting, aquarium keeping, archery, badminton,
    baking, ballroom dancing, baseball, basketball, beachcombing, beekeeping, billiards, bird watching, board games,
    book binding, bouldering, bowling, boxing, brewing beer, bridge, building model ships, calligraphy, camping,
    candle making, canoeing, carving wood, cheese making, chess, choir singing, climbing, coin collecting,
    collecting comics, collecting records, composting, cooking, creative writing, cricket, crochet, crossword
    puzzles, curling, cycling, dancing tango, darts, digital art, dog sports, drawing, drone racing, embroidery,
    fencing, fermenting vegetables, figure skating, film photography, fishing, flower arranging, flying kites, folk
    dancing, football, foraging, furniture restoration, gardening, genealogy, geocaching, glass blowing, golf,
    gymnastics, handball, hiking, home automation, horse riding, ice hockey, improvised theatre, inline skating,
    jewellery making, jogging, judo, juggling, karaoke, karate, kayaking, knitting, lace making, learning languages,
    leather work, lock picking, long-distance running, magic tricks, marathon running, martial arts, metal
    detecting, meteorology, model railways, motor sports, mountain biking, mushroom hunting, needlework,
    orienteering, origami, paddle boarding, painting landscapes, paragliding, parkour, petanque, photography,
    playing the accordion, playing the cello, playing the drums, playing the guitar, playing the piano, poetry,
    pottery, quilting, quiz nights, rafting, reading history, repairing clocks, robotics, rock balancing, rowing,
    rugby, sailing, salsa dancing, scrapbooking, scuba diving, sculpture, sewing, shogi, singing, skateboarding,
    skiing, sketching, sled dog racing, snorkelling, soap making, squash, stamp collecting, stand-up comedy,
    stargazing, surfing, swimming, table tennis, tai chi, taxidermy, tea tasting, tennis, theatre, travelling by
    train, trivia, urban exploration, vegetable farming, vintage cars, volleyball, volunteering, water polo,
    weaving, web design, weight training, whale watching, wine tasting, winter swimming, woodworking, wrestling,
    yoga"""
)
CHILDREN_HOBBIES = entries(
    """ballet, baking cookies, building blocks, catching bugs, climbing trees, collecting shells, collecting stickers,
    colouring, dressing up, drawing dinosaurs, flying kites, football, gymnastics, hide-and-seek, ice skating,
    inventing stories, jigsaw puzzles, judo, magic tricks, marbles, model trains, paper planes, picture books,
    playing the piano, playing the recorder, puppet theatre, riding a bicycle, roller skating, singing, skipping
    rope, swimming, trampoline, video games"""
)

CHARACTERS = entries(
    """patient, shy, thoughtful, careful, quiet, dreamy, calm, stubborn, sceptical, ironic, practical"""
)
"""Traits that go with each of `MORE_CHARACTERS`."""
MORE_CHARACTERS = entries("""curious, generous, kind, honest, modest, loyal, gentle, hard-working, polite""")
FREE_TIME = entries(
    """likes to cook for friends, takes long walks with the dog, sings in a small choir, keeps a vegetable patch,
    collects old maps, travels by night train whenever possible, never misses the local market, plays cards on
    Fridays, writes letters by hand, looks after a neighbour's cat, is learning a third language, repairs whatever
    breaks, listens to the radio until late, swims in the lake all year round, has a weakness for flea markets,
    argues about politics at every dinner"""
)
CHILD_FREE_TIME = entries(
    """has a rabbit called Toffee, wants to be an astronaut, builds dens in the living room, asks why all day long,
    shares a room with two brothers, knows every dinosaur by name, hates going to bed, keeps a secret diary"""
)
REASONS = entries(
    """for the characters, to learn something, to forget the working day, for the pictures they paint, because they
    are never dull, because they remind {her} of home, on long evenings, with a cup of tea"""
)
"""None of them is about a tag, which the same person may avoid."""
OBJECTIONS = entries(
    """too predictable, too loud, too gloomy, too sentimental, too long, too far from real life, too childish, rather
    boring, hard to follow, not worth the time"""
)
