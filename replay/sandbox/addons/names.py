"""Given names that are common where English is spoken, compiled by hand for this project.

Those that are also everyday words (Mark, Rose, Will, Grace) are told apart: they count only
where a name is expected.
"""

from __future__ import annotations

GIVEN = frozenset(
    """
    aaron abigail adam adrian agnes ahmed aidan aisha alan albert alejandro alex alexander
    alexandra alice alicia alison allison amanda amelia amy ana andrea andrew angela anita ann anna
    anne annie anthony antonio arthur ashley audrey barbara beatrice ben benjamin bernard beth
    betty beverly bob bobby bradley brandon brenda brian bridget bruce bryan cameron carl carla
    carlos carmen carol caroline carolyn catherine cathy cecilia charles charlie charlotte cheryl
    chloe chris christian christina christine christopher claire clara claudia colin connor craig
    cynthia daniel daniela danielle darren david dawson deborah debra dennis derek diana diane
    diego dmitri dominic donald donna doris dorothy douglas dylan eddie edgar edith edward edwin
    eileen elaine eleanor elena eli elizabeth ella ellen emily emma eric erica erik erin esther
    ethan eugene eva evan evelyn fatima felix fernando fiona florence frances francesca francis
    frederick gabriel gabriela gareth gary geoffrey george gerald gilbert giovanni gloria gordon
    graham greg gregory hannah harold harriet harry hassan hazel heather hector helen henry
    herbert howard hugh hugo ian ibrahim ingrid irene isaac isabel isabella ivan jacob jacqueline
    jake james jamie jane janet janice jasmine jason javier jean jeff jeffrey jennifer jenny
    jeremy jerry jesse jessica jim jimmy joan joanna joe joel john johnny jonathan jordan jorge
    jose joseph joshua juan judith julia julian julie juliet justin karen karl kate katherine
    kathleen kathryn kathy katie keith kelly kenneth kevin kim kimberly kyle larry laura lauren
    laurence lawrence leah leonard leslie lewis liam linda lisa logan lois lorraine louis louise
    lucas lucia lucy luis luke lydia madison maggie malcolm manuel marcus margaret maria marie
    marilyn mario marion marjorie martha martin mary mason matthew maureen megan mei melanie
    melissa mia michael michelle miguel mike mildred miriam mohamed mohammed molly monica muhammad
    nancy naomi natalie nathan neil nicholas nicole nigel nina noah nora norma norman oliver
    olivia omar oscar owen pamela patricia patrick paul paula pauline pedro peggy peter philip
    phillip phyllis priya rachel ralph raymond rebecca ricardo richard rita roberta robert roberto
    roger roland ronald rosemary roy russell ruth ryan sabrina sally sam samantha samuel sandra
    sara sarah scott sean sebastian sergei sergio shannon sharon sheila shirley sidney simon
    sofia sonia sophia sophie stanley stephanie stephen steve steven stuart susan suzanne sylvia
    teresa terry theodore theresa thomas tiffany tim timothy tina todd tom tommy tony tracy
    travis tyler valerie vanessa vera veronica vincent virginia vivian walter wayne wendy wesley
    william yolanda yusuf yvonne zachary zoe""".split()
)

ALSO_WORDS = frozenset(
    """
    amber angel art austin bill brook buck carter chance chase chip chuck
    crystal daisy dale dean dick don drew earl ernest faith forest frank gene ginger glen grace
    grant guy harmony heath holly hope hunter iris ivy jack jade jay jewel joy lance lily
    mark max melody miles nick norm olive parker pat pearl penny peg piper ray rich rob robin
    rod rose ruby rusty sandy skip sky stone sue ted trinity victor victoria violet wade
    will willow woody""".split()
)
